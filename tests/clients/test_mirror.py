# SPDX-License-Identifier: Apache-2.0
"""Clients that take the registry for a mirror of Docker Hub ask for `library/NAME`, and get what was pushed as NAME."""

import re
from pathlib import Path

import pytest

from .layouts import Layout
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients


@pytest.fixture
def official(repository: str) -> str:
    """A name of one part, as Docker Hub's official images have."""
    return repository.replace("/", "-")


def test_docker_pulls_an_official_image_from_its_mirror(
    docker: Client, registry: Registry, official: str, images: Layout
) -> None:
    digest = registry.publish(images, "greeting", official)
    assert digest in docker("pull", f"{official}:greeting")
    docker("rmi", f"{official}:greeting")


def test_containerd_pulls_an_official_image_from_its_mirror(
    ctr: Client, registry: Registry, official: str, images: Layout, tmp_path: Path
) -> None:
    digest = registry.publish(images, "greeting", official)
    hosts = tmp_path / "hosts/docker.io"
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(f'[host."http://{registry}"]\n  capabilities = ["pull", "resolve"]\n')
    name = f"docker.io/library/{official}:greeting"
    ctr("images", "pull", "--hosts-dir", tmp_path / "hosts", name)
    (line,) = (line for line in ctr("images", "list").splitlines() if line.startswith(name))
    assert re.search(digest, line)


def test_podman_pulls_an_official_image_from_its_mirror(
    podman: Client, registry: Registry, official: str, images: Layout, tmp_path: Path
) -> None:
    registry.publish(images, "greeting", official)
    (tmp_path / "registries.conf").write_text(
        f'[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "{registry}"\ninsecure = true\n'
    )
    mirrored = podman.within({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")})
    pulled = mirrored("pull", "--quiet", f"docker.io/library/{official}:greeting").strip()
    assert f"sha256:{pulled}" == images.manifest("greeting")["config"]["digest"]


def test_both_names_of_an_official_image_are_one_repository(
    crane: Client, registry: Registry, official: str, images: Layout
) -> None:
    digest = registry.publish(images, "busybox", f"library/{official}")
    assert crane("digest", f"{registry}/{official}:busybox").strip() == digest
    crane("tag", f"{registry}/{official}:busybox", "v2")
    assert registry.tags(f"library/{official}") == ["busybox", "v2"]
