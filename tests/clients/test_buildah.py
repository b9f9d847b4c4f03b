# SPDX-License-Identifier: Apache-2.0
"""buildah: images built on ones from the registry and pushed back to it."""

from pathlib import Path

import pytest

from .layouts import Layout
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients
PLAIN = "--tls-verify=false"


def test_an_image_built_from_a_containerfile_is_pushed(
    buildah: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    registry.publish(images, "busybox", repository)
    (tmp_path / "Containerfile").write_text(
        f"FROM {registry}/{repository}:busybox\nRUN /bin/busybox touch /made\nCOPY Containerfile /recipe\n"
    )
    name = f"{registry}/{repository}:made"
    isolated = ("--isolation=chroot", "--network=host")
    buildah("build", PLAIN, *isolated, "--layers", "--tag", name, "--file", tmp_path / "Containerfile", tmp_path)
    buildah("push", PLAIN, "--digestfile", tmp_path / "digest", name)
    assert registry.digest(repository, "made") == (tmp_path / "digest").read_text()
    base, *added = registry.manifest(repository, "made")["layers"]
    assert base["digest"] == images.manifest("busybox")["layers"][0]["digest"]
    assert len(added) == 2


def test_a_container_is_changed_committed_and_pushed_under_a_nested_name(
    buildah: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    registry.publish(images, "greeting", repository)
    container = buildah("from", PLAIN, f"{registry}/{repository}:greeting").strip()
    (tmp_path / "note").write_text("more\n")
    buildah("copy", container, tmp_path / "note", "/note")
    buildah("commit", "--rm", container, "changed")
    nested = f"{repository}/by/buildah"
    buildah("push", PLAIN, "--digestfile", tmp_path / "digest", "changed", f"docker://{registry}/{nested}:v1")
    assert registry.digest(nested, "v1") == (tmp_path / "digest").read_text()
    assert len(registry.manifest(nested, "v1")["layers"]) == 3


def test_a_commit_goes_straight_to_the_registry(
    buildah: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "busybox", repository)
    container = buildah("from", PLAIN, f"{registry}/{repository}:busybox").strip()
    buildah("config", "--label", "made=here", container)
    buildah("commit", PLAIN, "--rm", container, f"docker://{registry}/{repository}:labelled")
    config = registry.manifest(repository, "labelled")["config"]["digest"]
    assert registry.ask("GET", f"/v2/{repository}/blobs/{config}").json["config"]["Labels"]["made"] == "here"


def test_a_manifest_list_is_pushed_with_all_its_images(
    buildah: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "multi", f"{repository}-parts")
    buildah("manifest", "create", "both")
    buildah("manifest", "add", PLAIN, "--all", "both", f"docker://{registry}/{repository}-parts:multi")
    buildah("manifest", "push", PLAIN, "--all", "both", f"docker://{registry}/{repository}:both")
    children = [one["digest"] for one in registry.manifest(repository, "both")["manifests"]]
    assert children == [one["digest"] for one in images.manifest("multi")["manifests"]]


def test_a_pulled_image_is_the_one_that_was_published(
    buildah: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "greeting", repository)
    pulled = buildah("pull", PLAIN, "--quiet", f"{registry}/{repository}:greeting").strip()
    assert f"sha256:{pulled}" == images.manifest("greeting")["config"]["digest"]
