# SPDX-License-Identifier: Apache-2.0
"""skopeo: copies in every direction, sync, inspect, list and delete."""

import json
import secrets
from pathlib import Path

import pytest

from .layouts import MANIFEST, Layout, tarball
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients
TO_PLAIN = "--dest-tls-verify=false"
FROM_PLAIN = "--src-tls-verify=false"
PLAIN = "--tls-verify=false"


def test_a_copied_image_keeps_its_digest_both_ways(
    skopeo: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"docker://{registry}/{repository}:v1"
    skopeo("copy", TO_PLAIN, "--preserve-digests", f"oci:{images.path}:greeting", name)
    assert registry.digest(repository, "v1") == images.tags["greeting"].digest
    skopeo("copy", FROM_PLAIN, name, f"dir:{tmp_path}/back")
    assert (tmp_path / "back/manifest.json").read_bytes() == images.content(images.tags["greeting"].digest)


def test_an_image_of_ordinary_size_is_copied(
    skopeo: Client, registry: Registry, repository: str, debian: Layout, tmp_path: Path
) -> None:
    name = f"docker://{registry}/{repository}:12"
    skopeo("copy", TO_PLAIN, "--preserve-digests", f"oci:{debian.path}:debian", name)
    skopeo("copy", FROM_PLAIN, "--preserve-digests", name, f"oci:{tmp_path}/back:12")
    layer = debian.manifest("debian")["layers"][0]["digest"].removeprefix("sha256:")
    assert (tmp_path / "back/blobs/sha256" / layer).read_bytes() == debian.content(f"sha256:{layer}")


def test_all_platforms_of_an_index_are_copied_between_repositories(
    skopeo: Client, registry: Registry, repository: str, images: Layout
) -> None:
    source, target = (f"docker://{registry}/{repository}{end}:multi" for end in ("", "/copy"))
    skopeo("copy", TO_PLAIN, "--all", "--preserve-digests", f"oci:{images.path}:multi", source)
    skopeo("copy", TO_PLAIN, FROM_PLAIN, "--all", "--preserve-digests", source, target)
    assert registry.digest(f"{repository}/copy", "multi") == images.tags["multi"].digest
    assert all(registry.holds(f"{repository}/copy", one["digest"]) for one in images.manifest("multi")["manifests"])


@pytest.mark.parametrize(
    ("form", "media_type"), [("v2s2", "application/vnd.docker.distribution.manifest.v2+json"), ("oci", MANIFEST)]
)
def test_an_image_is_converted_on_the_way(
    skopeo: Client, registry: Registry, repository: str, images: Layout, form: str, media_type: str
) -> None:
    skopeo("copy", TO_PLAIN, "--format", form, f"oci:{images.path}:busybox", f"docker://{registry}/{repository}:v1")
    assert registry.manifest(repository, "v1")["mediaType"] == media_type


def test_a_layer_compressed_with_zstd_is_taken(
    skopeo: Client, registry: Registry, repository: str, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "layout")
    layout.tag("new", layout.image([layout.layer(tarball({"never-seen": secrets.token_bytes(5000)}))]))
    skopeo("copy", "--dest-decompress", f"oci:{layout.path}:new", f"dir:{tmp_path}/plain")
    zstd = ("--dest-compress-format=zstd", "--format=oci")
    skopeo("copy", TO_PLAIN, *zstd, f"dir:{tmp_path}/plain", f"docker://{registry}/{repository}:zstd")
    (layer,) = registry.manifest(repository, "zstd")["layers"]
    assert layer["mediaType"].endswith("+zstd")
    assert registry.holds_blob(repository, layer["digest"])


def test_tags_are_listed_and_images_inspected_in_place(
    skopeo: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "greeting", repository)
    registry.publish(images, "busybox", repository)
    listed = json.loads(skopeo("list-tags", PLAIN, f"docker://{registry}/{repository}"))
    assert listed["Tags"] == ["busybox", "greeting"]
    shown = json.loads(skopeo("inspect", PLAIN, f"docker://{registry}/{repository}:greeting"))
    assert shown["Digest"] == images.tags["greeting"].digest
    raw = skopeo.raw("inspect", PLAIN, "--raw", f"docker://{registry}/{repository}:greeting")
    assert raw == images.content(images.tags["greeting"].digest)


def test_an_image_is_deleted_with_all_its_tags(
    skopeo: Client, registry: Registry, repository: str, images: Layout
) -> None:
    registry.publish(images, "greeting", repository)
    skopeo("copy", TO_PLAIN, FROM_PLAIN, *(f"docker://{registry}/{repository}:{tag}" for tag in ("greeting", "same")))
    registry.publish(images, "busybox", repository)
    skopeo("delete", PLAIN, f"docker://{registry}/{repository}:same")
    assert registry.tags(repository) == ["busybox"]
    assert "manifest unknown" in skopeo.refused("inspect", PLAIN, f"docker://{registry}/{repository}:greeting")


def test_a_repository_is_synced_to_a_directory_and_back(
    skopeo: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    published = {tag: registry.publish(images, tag, repository) for tag in ("busybox", "greeting", "multi")}
    skopeo("sync", "--all", "--src=docker", "--dest=dir", FROM_PLAIN, f"{registry}/{repository}", tmp_path)
    skopeo("sync", "--all", "--src=dir", "--dest=docker", TO_PLAIN, tmp_path, f"{registry}/back")
    back = f"back/{repository.rpartition('/')[2]}"
    assert {tag: registry.digest(back, tag) for tag in registry.tags(back)} == published


def test_a_whole_repository_is_synced_to_another(
    skopeo: Client, registry: Registry, repository: str, images: Layout
) -> None:
    published = {tag: registry.publish(images, tag, repository) for tag in ("busybox", "greeting", "multi")}
    both = ("--all", "--src", "docker", "--dest", "docker", TO_PLAIN, FROM_PLAIN)
    skopeo("sync", *both, f"{registry}/{repository}", f"{registry}/mirror")
    mirrored = f"mirror/{repository.rpartition('/')[2]}"
    assert {tag: registry.digest(mirrored, tag) for tag in registry.tags(mirrored)} == published
