# SPDX-License-Identifier: Apache-2.0
"""podman: push, pull, run, search and manifest lists."""

from pathlib import Path

import pytest

from .layouts import Layout
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients
PLAIN = "--tls-verify=false"
# Debian's crun refuses machines with both cgroup versions; podman's default limits exceed those of small machines.
RUNNABLE = ("--runtime=runc", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none")


def loaded(podman: Client, layout: Layout, tag: str, name: str, tmp_path: Path) -> str:
    """Load an image of a layout under a name, and return its id."""
    podman("load", "--input", layout.archive(tag, name, tmp_path / "image.tar"))
    return identity(podman, name)


def identity(podman: Client, name: str) -> str:
    return podman("image", "inspect", "--format", "{{.Id}}", name).strip()


def pushed(podman: Client, name: str, tmp_path: Path, *options: str) -> str:
    """Push an image and return the digest that podman says it has."""
    podman("push", PLAIN, "--digestfile", tmp_path / "digest", *options, name)
    return (tmp_path / "digest").read_text()


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_a_pushed_image_comes_back_as_it_was_in_either_format(
    podman: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path, form: str
) -> None:
    name = f"{registry}/{repository}:v1"
    loaded(podman, images, "greeting", name, tmp_path)
    digest = pushed(podman, name, tmp_path, "--format", form)
    assert registry.digest(repository, "v1") == digest
    podman("rmi", name)
    pulled = podman("pull", PLAIN, "--quiet", f"{registry}/{repository}@{digest}").strip()
    assert registry.manifest(repository, "v1")["config"]["digest"] == f"sha256:{pulled}"
    podman("rmi", f"{registry}/{repository}@{digest}")


def test_an_image_of_ordinary_size_comes_back(
    podman: Client, registry: Registry, repository: str, debian: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:12"
    before = loaded(podman, debian, "debian", name, tmp_path)
    digest = pushed(podman, name, tmp_path)
    podman("rmi", name)
    podman("pull", PLAIN, name)
    assert identity(podman, name) == before
    assert registry.digest(repository, "12") == digest
    podman("rmi", name)


def test_a_pulled_image_runs(podman: Client, registry: Registry, repository: str, images: Layout) -> None:
    registry.publish(images, "greeting", repository)
    name = f"{registry}/{repository}:greeting"
    assert podman("run", "--rm", *RUNNABLE, PLAIN, name) == "good day\n"


def test_search_finds_repositories_by_a_part_of_their_name(
    podman: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "busybox", f"{repository}-sought")
    found = podman("search", PLAIN, "--format", "{{.Name}}", f"{registry}/{repository}-sou")
    assert found.split() == [f"{registry}/{repository}-sought"]


def test_search_lists_the_tags_of_a_repository(
    podman: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "busybox", repository)
    registry.publish(images, "greeting", repository)
    listed = podman("search", PLAIN, "--list-tags", f"{registry}/{repository}")
    assert [line.split()[1] for line in listed.splitlines()] == ["TAG", "busybox", "greeting"]


def test_a_manifest_list_is_put_together_and_pushed_with_all_its_images(
    podman: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    registry.publish(images, "multi", f"{repository}-parts")
    podman("manifest", "create", "parts")
    podman("manifest", "add", PLAIN, "--all", "parts", f"docker://{registry}/{repository}-parts:multi")
    podman("manifest", "push", PLAIN, "--all", "parts", f"docker://{registry}/{repository}:list")
    podman("manifest", "rm", "parts")
    children = [one["digest"] for one in registry.manifest(repository, "list")["manifests"]]
    assert children == [one["digest"] for one in images.manifest("multi")["manifests"]]
    assert all(registry.holds(repository, digest) for digest in children)


def test_a_missing_tag_is_said_to_be_missing(
    podman: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "busybox", repository)
    assert "manifest unknown" in podman.refused("pull", PLAIN, f"{registry}/{repository}:nothing")
