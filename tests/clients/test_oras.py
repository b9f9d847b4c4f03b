# SPDX-License-Identifier: Apache-2.0
"""oras: artifacts, attachments, discovery, copies with referrers, backups."""

import json
import secrets
from pathlib import Path

import pytest

from .layouts import Layout
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients
PLAIN = "--plain-http"
TO_PLAIN = "--to-plain-http"
FROM_PLAIN = "--from-plain-http"
SIGNATURE = "application/vnd.example.signature.v1+json"


def attached(oras: Client, subject: str, tmp_path: Path, artifact_type: str = SIGNATURE) -> str:
    """Attach a file to a manifest and return the attachment's digest."""
    (tmp_path / "signature.json").write_text(f'{{"of":"{subject}","kind":"{artifact_type}"}}')
    made = oras(
        "attach", PLAIN, "--artifact-type", artifact_type, "--format=json", subject, "signature.json", at=tmp_path
    )
    return json.loads(made)["digest"]


def discovered(oras: Client, subject: str, *options: str) -> list[str]:
    """List the digests of what refers to a manifest."""
    found = json.loads(oras("discover", PLAIN, "--format=json", "--depth=1", *options, subject))
    return sorted(one["digest"] for one in found.get("referrers") or ())


def test_files_are_pushed_and_pulled_as_they_were(
    oras: Client, registry: Registry, repository: str, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:v1"
    contents = {"small": b"small", "empty": b"", "large": secrets.token_bytes(20_000_000)}
    for file, content in contents.items():
        (tmp_path / file).write_bytes(content)
    pushed = oras(
        "push", PLAIN, "--artifact-type=application/vnd.example", "--format=json", name, *contents, at=tmp_path
    )
    assert json.loads(pushed)["digest"] == registry.digest(repository, "v1")
    assert oras("resolve", PLAIN, name).strip() == registry.digest(repository, "v1")
    oras("pull", PLAIN, "--output", tmp_path / "back", name)
    assert {file.name: file.read_bytes() for file in (tmp_path / "back").iterdir()} == contents


def test_attachments_are_discovered_and_filtered(
    oras: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    digest = registry.publish(images, "greeting", repository)
    subject = f"{registry}/{repository}:greeting"
    signature, bill = (attached(oras, subject, tmp_path, kind) for kind in (SIGNATURE, "application/vnd.example.sbom"))
    assert discovered(oras, subject) == sorted((signature, bill))
    assert discovered(oras, subject, "--artifact-type", SIGNATURE) == [signature]
    assert sorted(one["digest"] for one in registry.referrers(repository, digest)) == sorted((signature, bill))
    assert registry.tags(repository) == ["greeting"]


def test_an_attachment_may_have_attachments_of_its_own(
    oras: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    registry.publish(images, "busybox", repository)
    signature = attached(oras, f"{registry}/{repository}:busybox", tmp_path)
    countersigned = attached(oras, f"{registry}/{repository}@{signature}", tmp_path)
    assert discovered(oras, f"{registry}/{repository}@{signature}") == [countersigned]


def test_an_index_and_all_that_refers_to_it_are_copied(
    oras: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    digest = registry.publish(images, "multi", repository)
    signature = attached(oras, f"{registry}/{repository}:multi", tmp_path)
    copy = f"{registry}/{repository}/copy:multi"
    oras("cp", "--recursive", FROM_PLAIN, TO_PLAIN, f"{registry}/{repository}:multi", copy)
    assert registry.digest(f"{repository}/copy", "multi") == digest
    assert discovered(oras, copy) == [signature]


def test_an_image_of_ordinary_size_is_copied_from_a_layout(
    oras: Client, registry: Registry, repository: str, debian: Layout
) -> None:
    oras("cp", "--from-oci-layout", TO_PLAIN, f"{debian.path}:debian", f"{registry}/{repository}:12")
    assert registry.digest(repository, "12") == debian.tags["debian"].digest


def test_an_attachment_is_deleted_and_discovered_no_more(
    oras: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    registry.publish(images, "busybox", repository)
    subject = f"{registry}/{repository}:busybox"
    signature = attached(oras, subject, tmp_path)
    oras("manifest", "delete", PLAIN, "--force", f"{registry}/{repository}@{signature}")
    assert discovered(oras, subject) == []


def test_manifests_and_blobs_are_pushed_fetched_and_deleted_one_by_one(
    oras: Client, registry: Registry, repository: str, images: Layout
) -> None:
    name, manifest = f"{registry}/{repository}", images.manifest("busybox")
    for blob in (manifest["config"], *manifest["layers"]):
        size = ("--size", str(blob["size"]))
        oras("blob", "push", PLAIN, *size, f"{name}@{blob['digest']}", "-", given=images.content(blob["digest"]))
    content = images.content(images.tags["busybox"].digest)
    oras("manifest", "push", PLAIN, f"{name}:one,two", "-", given=content)
    assert registry.tags(repository) == ["one", "two"]
    assert oras.raw("manifest", "fetch", PLAIN, f"{name}:two") == content
    config = oras.raw("manifest", "fetch-config", PLAIN, f"{name}:two")
    assert config == images.content(manifest["config"]["digest"])
    layer = manifest["layers"][0]["digest"]
    assert oras.raw("blob", "fetch", PLAIN, "--output=-", f"{name}@{layer}") == images.content(layer)
    oras("manifest", "delete", PLAIN, "--force", f"{name}:one")
    oras("manifest", "delete", PLAIN, "--force", f"{name}@{images.tags['busybox'].digest}")
    oras("blob", "delete", PLAIN, "--force", f"{name}@{layer}")
    assert not registry.holds_blob(repository, layer)


def test_tags_are_added_and_listed_with_the_repositories(
    oras: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "greeting", repository)
    oras("tag", PLAIN, f"{registry}/{repository}:greeting", "v1", "v1.2")
    assert oras("repo", "tags", PLAIN, f"{registry}/{repository}").split() == ["greeting", "v1", "v1.2"]
    namespace, _, rest = repository.partition("/")
    assert rest in oras("repo", "ls", PLAIN, f"{registry}/{namespace}").split()


def test_an_index_is_created_and_updated(oras: Client, registry: Registry, repository: str, images: Layout) -> None:
    name = f"{registry}/{repository}"
    first, second = (registry.publish(images, tag, repository) for tag in ("busybox", "greeting"))
    oras("manifest", "index", "create", PLAIN, f"{name}:both", "busybox")
    oras("manifest", "index", "update", PLAIN, f"{name}:both", "--add", "greeting")
    assert [one["digest"] for one in registry.manifest(repository, "both")["manifests"]] == [first, second]


def test_a_backup_with_referrers_is_restored_elsewhere(
    oras: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    digest = registry.publish(images, "multi", repository)
    signature = attached(oras, f"{registry}/{repository}:multi", tmp_path)
    oras("backup", PLAIN, "--include-referrers", "--output", tmp_path / "saved.tar", f"{registry}/{repository}:multi")
    oras("restore", PLAIN, "--input", tmp_path / "saved.tar", f"{registry}/{repository}/again:multi")
    assert registry.digest(f"{repository}/again", "multi") == digest
    assert discovered(oras, f"{registry}/{repository}/again:multi") == [signature]
