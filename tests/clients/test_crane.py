# SPDX-License-Identifier: Apache-2.0
"""crane: push, pull, list, copy, tag, change and delete without an engine."""

import hashlib
import json
from pathlib import Path

import pytest

from .layouts import Layout, tarball
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients


def test_a_pushed_image_comes_back_as_it_was(
    crane: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:v1"
    archive = images.archive("greeting", name, tmp_path / "image.tar")
    printed = crane("push", archive, name).strip()
    assert printed.endswith(registry.digest(repository, "v1"))
    assert crane("digest", name).strip() == registry.digest(repository, "v1")
    crane("pull", "--format=oci", name, tmp_path / "back")
    index = json.loads((tmp_path / "back/index.json").read_text())
    assert index["manifests"][0]["digest"] == registry.digest(repository, "v1")


def test_an_image_of_ordinary_size_is_pushed_and_its_files_exported(
    crane: Client, registry: Registry, repository: str, debian: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:12"
    crane("push", debian.path, name)
    assert registry.digest(repository, "12") == debian.tags["debian"].digest
    crane("validate", "--remote", name)
    crane("export", name, tmp_path / "files.tar")
    assert (tmp_path / "files.tar").stat().st_size > 100_000_000


def test_an_index_is_pushed_with_everything_in_it(
    crane: Client, registry: Registry, repository: str, images: Layout
) -> None:
    name = f"{registry}/{repository}:all"
    crane("push", "--index", images.path, name)
    raw = (images.path / "index.json").read_bytes()
    assert crane("digest", name).strip() == registry.digest(repository, "all")
    pushed = [one["digest"] for one in registry.manifest(repository, "all")["manifests"]]
    assert pushed == [one["digest"] for one in json.loads(raw)["manifests"]]
    crane("validate", "--remote", f"{registry}/{repository}@{images.tags['multi'].digest}")


def test_manifests_configurations_and_blobs_are_shown(
    crane: Client, registry: Registry, repository: str, images: Layout
) -> None:
    digest = registry.publish(images, "greeting", repository)
    manifest = images.manifest("greeting")
    assert crane.raw("manifest", f"{registry}/{repository}:greeting").rstrip(b"\n") == images.content(digest)
    config = manifest["config"]["digest"]
    assert crane.raw("config", f"{registry}/{repository}:greeting").rstrip(b"\n") == images.content(config)
    layer = manifest["layers"][1]["digest"]
    assert crane.raw("blob", f"{registry}/{repository}@{layer}") == images.content(layer)


def test_tags_and_repositories_are_listed(crane: Client, registry: Registry, repository: str, images: Layout) -> None:
    registry.publish(images, "greeting", repository)
    crane("tag", f"{registry}/{repository}:greeting", "another")
    assert crane("ls", f"{registry}/{repository}").split() == ["another", "greeting"]
    assert repository in crane("catalog", str(registry)).split()


def test_an_index_is_copied_to_another_repository(
    crane: Client, registry: Registry, repository: str, images: Layout
) -> None:
    digest = registry.publish(images, "multi", repository)
    crane("copy", f"{registry}/{repository}:multi", f"{registry}/{repository}/deep/er:copied")
    assert registry.digest(f"{repository}/deep/er", "copied") == digest


def test_all_tags_are_copied_at_once(crane: Client, registry: Registry, repository: str, images: Layout) -> None:
    digests = {tag: registry.publish(images, tag, repository) for tag in ("busybox", "greeting")}
    crane("copy", "--all-tags", f"{registry}/{repository}", f"{registry}/{repository}-copy")
    copied = f"{repository}-copy"
    assert {tag: registry.digest(copied, tag) for tag in registry.tags(copied)} == digests


def test_layers_are_appended_and_labels_changed(
    crane: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    registry.publish(images, "busybox", repository)
    base, made = f"{registry}/{repository}:busybox", f"{registry}/{repository}:made"
    (tmp_path / "layer.tar").write_bytes(tarball({"more": b"more\n"}))
    crane("append", "--base", base, "--new_layer", tmp_path / "layer.tar", "--new_tag", made)
    crane("mutate", "--label", "made=here", "--tag", f"{registry}/{repository}:labelled", made)
    assert json.loads(crane("config", f"{registry}/{repository}:labelled"))["config"]["Labels"] == {"made": "here"}
    crane("validate", "--remote", f"{registry}/{repository}:labelled")


def test_an_index_is_put_together_and_filtered(
    crane: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "multi", repository)
    name = f"{registry}/{repository}"
    crane("index", "filter", f"{name}:multi", "--platform=linux/arm64", "--tag", f"{name}:arm")
    assert [one["platform"]["architecture"] for one in registry.manifest(repository, "arm")["manifests"]] == ["arm64"]
    registry.publish(images, "greeting", repository)
    crane("index", "append", f"{name}:arm", "--manifest", f"{name}:greeting", "--tag", f"{name}:arm")
    assert len(registry.manifest(repository, "arm")["manifests"]) == 2


def test_a_tag_is_deleted_alone_and_a_digest_with_its_tags(
    crane: Client, registry: Registry, repository: str, images: Layout
) -> None:
    digest = registry.publish(images, "greeting", repository)
    for tag in ("one", "two"):
        crane("tag", f"{registry}/{repository}:greeting", tag)
    crane("delete", f"{registry}/{repository}:one")
    assert registry.tags(repository) == ["greeting", "two"]
    crane("delete", f"{registry}/{repository}@{digest}")
    assert not registry.holds(repository, "two")
    assert "MANIFEST_UNKNOWN" in crane.refused("manifest", f"{registry}/{repository}@{digest}")


def test_what_is_exported_is_what_the_layers_hold(
    crane: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "greeting", repository)
    crane("flatten", f"{registry}/{repository}:greeting", "--tag", f"{registry}/{repository}:flat")
    (layer,) = registry.manifest(repository, "flat")["layers"]
    stored = crane.raw("blob", f"{registry}/{repository}@{layer['digest']}")
    assert f"sha256:{hashlib.sha256(stored).hexdigest()}" == layer["digest"]
