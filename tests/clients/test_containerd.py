# SPDX-License-Identifier: Apache-2.0
"""containerd's ctr: import, push, pull, mirrors."""

import re
from pathlib import Path

import pytest

from .layouts import Layout
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients


def listed(ctr: Client, name: str) -> str:
    """Tell the digest that containerd has for an image."""
    (line,) = (line for line in ctr("images", "list").splitlines() if line.startswith(f"{name} "))
    return re.findall(r"sha256:[0-9a-f]{64}", line)[0]


def test_an_imported_image_is_pushed_and_comes_back_as_it_was(
    ctr: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:v1"
    ctr("images", "import", images.archive("greeting", name, tmp_path / "image.tar"))
    ctr("images", "push", "--plain-http", name)
    assert registry.digest(repository, "v1") == images.tags["greeting"].digest
    ctr("images", "rm", "--sync", name)
    ctr("images", "pull", "--plain-http", name)
    assert listed(ctr, name) == images.tags["greeting"].digest


def test_an_image_of_ordinary_size_is_pushed_and_pulled(
    ctr: Client, registry: Registry, repository: str, debian: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}/of/debian:12"
    ctr("images", "import", debian.archive("debian", name, tmp_path / "image.tar"))
    ctr("images", "push", "--plain-http", name)
    ctr("images", "rm", "--sync", name)
    ctr("images", "pull", "--plain-http", name)
    assert listed(ctr, name) == registry.digest(f"{repository}/of/debian", "12") == debian.tags["debian"].digest


def test_an_index_is_pulled_with_all_platforms_and_pushed_elsewhere(
    ctr: Client, registry: Registry, repository: str, images: Layout
) -> None:
    source, target = f"{registry}/{repository}:multi", f"{registry}/{repository}-copy:multi"
    digest = registry.publish(images, "multi", repository)
    ctr("images", "pull", "--plain-http", "--all-platforms", source)
    ctr("images", "tag", source, target)
    ctr("images", "push", "--plain-http", target)
    assert registry.digest(f"{repository}-copy", "multi") == digest
    assert all(registry.holds(f"{repository}-copy", one["digest"]) for one in images.manifest("multi")["manifests"])


def test_an_image_is_pulled_by_digest(ctr: Client, registry: Registry, repository: str, images: Layout) -> None:
    digest = registry.publish(images, "busybox", repository)
    ctr("images", "pull", "--plain-http", f"{registry}/{repository}@{digest}")
    assert listed(ctr, f"{registry}/{repository}@{digest}") == digest


def test_content_is_fetched_without_unpacking(ctr: Client, registry: Registry, repository: str, images: Layout) -> None:
    digest = registry.publish(images, "greeting", repository)
    ctr("content", "fetch", "--plain-http", f"{registry}/{repository}:greeting")
    assert ctr.raw("content", "get", digest) == images.content(digest)


def test_the_registry_serves_as_a_mirror_for_another_host(
    ctr: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    digest = registry.publish(images, "greeting", repository)
    hosts = tmp_path / "hosts/registry.example"
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(f'[host."http://{registry}"]\n  capabilities = ["pull", "resolve"]\n')
    ctr("images", "pull", "--hosts-dir", tmp_path / "hosts", f"registry.example/{repository}:greeting")
    assert listed(ctr, f"registry.example/{repository}:greeting") == digest


def test_a_missing_tag_is_said_to_be_missing(ctr: Client, registry: Registry, repository: str) -> None:
    assert "not found" in ctr.refused("images", "pull", "--plain-http", f"{registry}/{repository}:nothing")
