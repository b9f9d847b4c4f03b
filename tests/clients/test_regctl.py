# SPDX-License-Identifier: Apache-2.0
"""regctl: images, artifacts and their referrers, blobs, indexes, sha512, tags and deletion."""

import json
import secrets
from pathlib import Path

import pytest

from .layouts import Layout
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients
SIGNATURE = "application/vnd.example.signature.v1+json"


def test_an_image_is_copied_from_a_layout_and_back(
    regctl: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:multi"
    regctl("image", "copy", f"ocidir://{images.path}:multi", name)
    assert registry.digest(repository, "multi") == images.tags["multi"].digest
    assert regctl("image", "digest", name).strip() == images.tags["multi"].digest
    regctl("image", "copy", name, f"ocidir://{tmp_path}/back:multi")
    assert regctl("image", "digest", f"ocidir://{tmp_path}/back:multi").strip() == images.tags["multi"].digest


def test_an_image_of_ordinary_size_is_exported_and_imported(
    regctl: Client, registry: Registry, repository: str, debian: Layout, tmp_path: Path
) -> None:
    regctl("image", "copy", f"ocidir://{debian.path}:debian", f"{registry}/{repository}:12")
    regctl("image", "export", f"{registry}/{repository}:12", tmp_path / "image.tar")
    regctl("image", "import", f"{registry}/{repository}/again:12", tmp_path / "image.tar")
    assert registry.digest(f"{repository}/again", "12") == debian.tags["debian"].digest
    version = regctl("image", "get-file", f"{registry}/{repository}/again:12", "/etc/debian_version")
    assert version.startswith("12")


def test_a_signature_is_listed_filtered_and_fetched_by_its_subject(
    regctl: Client, registry: Registry, repository: str, images: Layout
) -> None:
    subject = f"{registry}/{repository}:greeting"
    digest = registry.publish(images, "greeting", repository)
    signed = ("artifact", "put", "--subject", subject, "--artifact-type", SIGNATURE)
    regctl(*signed, "--annotation", "org.example.by=me", "--file-media-type", "text/plain", given=b"signed")
    other = ("artifact", "put", "--subject", subject, "--artifact-type", "application/vnd.example.sbom")
    regctl(*other, "--file-media-type", "text/plain", given=b"bill of materials")
    listed = json.loads(regctl("artifact", "list", subject, "--format", "{{json .}}"))
    assert listed["descriptors"] == registry.referrers(repository, digest)
    assert len(listed["descriptors"]) == 2
    only = ("artifact", "list", subject, "--filter-artifact-type", SIGNATURE, "--format", "{{json .}}")
    (found,) = json.loads(regctl(*only))["descriptors"]
    assert (found["artifactType"], found["annotations"]["org.example.by"]) == (SIGNATURE, "me")
    assert regctl("artifact", "get", "--subject", subject, "--filter-artifact-type", SIGNATURE) == "signed"


def test_no_fallback_tag_is_made_where_referrers_are_served(
    regctl: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "busybox", repository)
    subject = f"{registry}/{repository}:busybox"
    regctl("artifact", "put", "--subject", subject, "--artifact-type", SIGNATURE, given=b"signed")
    assert registry.tags(repository) == ["busybox"]


def test_referrers_are_copied_with_their_image(
    regctl: Client, registry: Registry, repository: str, images: Layout
) -> None:
    digest = registry.publish(images, "busybox", repository)
    source, target = f"{registry}/{repository}:busybox", f"{registry}/{repository}/copy:busybox"
    regctl("artifact", "put", "--subject", source, "--artifact-type", SIGNATURE, given=b"signed")
    regctl("image", "copy", "--referrers", source, target)
    assert registry.referrers(f"{repository}/copy", digest) == registry.referrers(repository, digest)
    assert len(registry.referrers(repository, digest)) == 1


def test_an_artifact_is_put_and_got(regctl: Client, registry: Registry, repository: str, tmp_path: Path) -> None:
    name = f"{registry}/{repository}:data"
    (tmp_path / "data").write_bytes(secrets.token_bytes(3_000_000))
    regctl("artifact", "put", "--artifact-type", "application/vnd.example.data", "--file", tmp_path / "data", name)
    assert regctl.raw("artifact", "get", name) == (tmp_path / "data").read_bytes()


def test_a_blob_is_put_copied_fetched_and_deleted(regctl: Client, registry: Registry, repository: str) -> None:
    name, content = f"{registry}/{repository}", secrets.token_bytes(5_000_000)
    digest = regctl("blob", "put", name, given=content).strip()
    regctl("blob", "copy", name, f"{name}/copy", digest)
    regctl("blob", "delete", name, digest)
    assert not registry.holds_blob(repository, digest)
    assert regctl.raw("blob", "get", f"{name}/copy", digest) == content


def test_a_sha512_image_is_made_and_copied(
    regctl: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    source, made = f"ocidir://{images.path}:greeting", f"{registry}/{repository}:long"
    regctl("image", "mod", source, "--digest-algo", "sha512", "--create", f"ocidir://{tmp_path}/layout:long")
    regctl("image", "copy", f"ocidir://{tmp_path}/layout:long", made)
    digest = regctl("image", "digest", f"ocidir://{tmp_path}/layout:long").strip()
    assert digest.startswith("sha512:")
    assert registry.digest(repository, digest) == digest
    assert all(layer["digest"].startswith("sha512:") for layer in registry.manifest(repository, "long")["layers"])
    regctl("image", "copy", f"{registry}/{repository}@{digest}", f"{registry}/{repository}/copy@{digest}")
    assert registry.holds(f"{repository}/copy", digest)


def test_an_image_is_changed_in_place(regctl: Client, registry: Registry, repository: str, images: Layout) -> None:
    registry.publish(images, "multi", repository)
    name = f"{registry}/{repository}:multi"
    regctl("image", "mod", name, "--replace", "--annotation", "org.example.made=here", "--layer-compress", "zstd")
    changed = registry.manifest(repository, "multi")
    assert changed["annotations"] == {"org.example.made": "here"}
    assert {one["platform"]["architecture"] for one in changed["manifests"]} == {"amd64", "arm64"}


def test_an_index_is_put_together(regctl: Client, registry: Registry, repository: str, images: Layout) -> None:
    name = f"{registry}/{repository}"
    registry.publish(images, "busybox", repository)
    registry.publish(images, "greeting", f"{repository}/other")
    regctl("index", "create", "--ref", f"{name}:busybox", "--ref", f"{name}/other:greeting", f"{name}:both")
    children = [one["digest"] for one in registry.manifest(repository, "both")["manifests"]]
    assert children == [images.tags["busybox"].digest, images.tags["greeting"].digest]
    assert all(registry.holds(repository, digest) for digest in children)


def test_repositories_and_tags_are_listed_and_paged(
    regctl: Client, registry: Registry, repository: str, images: Layout
) -> None:
    for tag in ("busybox", "greeting", "multi"):
        registry.publish(images, tag, repository)
    assert regctl("tag", "ls", f"{registry}/{repository}").split() == ["busybox", "greeting", "multi"]
    page = ("tag", "ls", "--limit", "1", "--last", "busybox", f"{registry}/{repository}")
    assert regctl(*page).split() == ["greeting"]
    assert repository in regctl("repo", "ls", "--limit", "10000", str(registry)).split()


def test_a_tag_is_deleted_alone_and_a_manifest_with_its_tags(
    regctl: Client, registry: Registry, repository: str, images: Layout
) -> None:
    digest = registry.publish(images, "greeting", repository)
    name = f"{registry}/{repository}"
    regctl("image", "copy", f"{name}:greeting", f"{name}:same")
    regctl("tag", "delete", f"{name}:greeting")
    assert registry.tags(repository) == ["same"]
    regctl("manifest", "delete", f"{name}@{digest}")
    assert not registry.holds(repository, digest)
    assert not registry.holds(repository, "same")
