# SPDX-License-Identifier: Apache-2.0
"""Docker: Debian's client and a newer one, with the classic image store and with containerd's."""

import json
import re
import secrets
from pathlib import Path

import pytest

from .layouts import Layout, tarball
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients


def loaded(docker: Client, layout: Layout, tag: str, name: str, tmp_path: Path) -> str:
    """Load an image of a layout into the engine under a name, and return its id there."""
    docker("load", "--input", layout.archive(tag, name, tmp_path / "image.tar"))
    return identity(docker, name)


def identity(docker: Client, name: str) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", name).strip()


def pushed(docker: Client, name: str) -> str:
    """Push one tag and return the digest that docker says it has."""
    return re.findall(r"digest: (sha256:[0-9a-f]{64})", docker("push", name))[-1]


def test_a_pushed_image_comes_back_as_it_was(
    docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:v1"
    before = loaded(docker, images, "greeting", name, tmp_path)
    digest = pushed(docker, name)
    assert registry.digest(repository, "v1") == digest
    docker("rmi", name)
    assert digest in docker("pull", name)
    assert identity(docker, name) == before


def test_an_image_of_ordinary_size_comes_back_by_its_digest(
    each_engine: Client, registry: Registry, repository: str, debian: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:12"
    before = loaded(each_engine, debian, "debian", name, tmp_path)
    digest = pushed(each_engine, name)
    each_engine("rmi", name)
    each_engine("pull", f"{registry}/{repository}@{digest}")
    assert identity(each_engine, f"{registry}/{repository}@{digest}") == before
    each_engine("rmi", f"{registry}/{repository}@{digest}")


def test_a_pulled_image_runs(
    classic_docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}"
    loaded(classic_docker, images, "greeting", name, tmp_path)
    classic_docker("push", name)
    classic_docker("rmi", name)
    assert classic_docker("run", "--rm", "--network=none", name) == "good day\n"


def test_what_a_repository_has_is_not_sent_again(
    docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}:one"
    loaded(docker, images, "greeting", name, tmp_path)
    digest = pushed(docker, name)
    docker("tag", name, f"{registry}/{repository}:two")
    assert "already exists" in docker("push", f"{registry}/{repository}:two")
    assert registry.digest(repository, "two") == digest


def test_a_layer_is_mounted_from_another_repository(
    docker: Client, registry: Registry, repository: str, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "layout")
    layout.tag("new", layout.image([layout.layer(tarball({"only-here": secrets.token_bytes(100)}))]))
    name = f"{registry}/{repository}"
    loaded(docker, layout, "new", name, tmp_path)
    digest = pushed(docker, name)
    docker("tag", name, f"{name}-copy")
    assert f"Mounted from {repository}" in docker("push", f"{name}-copy")
    assert registry.digest(f"{repository}-copy", "latest") == digest


def test_a_tag_moves_to_what_was_pushed_last(
    docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}"
    loaded(docker, images, "busybox", f"{name}:v1.0", tmp_path)
    docker("tag", f"{name}:v1.0", f"{name}:latest")
    first = pushed(docker, f"{name}:v1.0")
    assert pushed(docker, f"{name}:latest") == first
    loaded(docker, images, "greeting", f"{name}:v2.0", tmp_path)
    docker("tag", f"{name}:v2.0", f"{name}:latest")
    second = pushed(docker, f"{name}:v2.0")
    assert pushed(docker, f"{name}:latest") == second
    assert registry.tags(repository) == ["latest", "v1.0", "v2.0"]
    assert [registry.digest(repository, tag) for tag in registry.tags(repository)] == [second, first, second]


def test_all_tags_are_pushed_and_pulled_at_once(
    docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}"
    loaded(docker, images, "busybox", f"{name}:a", tmp_path)
    loaded(docker, images, "greeting", f"{name}:b", tmp_path)
    docker("push", "--all-tags", name)
    docker("rmi", f"{name}:a", f"{name}:b")
    docker("pull", "--all-tags", name)
    listed = docker("images", "--format", "{{.Tag}}", name).split()
    assert sorted(set(listed)) == registry.tags(repository) == ["a", "b"]


def test_a_name_may_have_many_parts(
    docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    nested = f"{repository}/a/b-c/d__e/f.g"
    before = loaded(docker, images, "busybox", f"{registry}/{nested}", tmp_path)
    digest = pushed(docker, f"{registry}/{nested}")
    docker("rmi", f"{registry}/{nested}")
    docker("pull", f"{registry}/{nested}")
    assert identity(docker, f"{registry}/{nested}") == before
    assert registry.digest(nested, "latest") == digest


def test_the_image_of_another_platform_is_pulled_on_request(
    docker: Client, registry: Registry, repository: str, images: Layout
) -> None:
    name = f"{registry}/{repository}:multi"
    registry.publish(images, "multi", repository)
    docker("pull", "--platform=linux/arm64", name)
    container = docker("create", "--platform=linux/arm64", "--network=none", name, "/bin/busybox").strip()
    assert b"for another machine" in docker.raw("cp", f"{container}:/bin/busybox", "-")


def test_a_missing_tag_is_said_to_be_missing(docker: Client, registry: Registry, repository: str) -> None:
    assert re.search("not found|manifest unknown", docker.refused("pull", f"{registry}/{repository}:nothing"))


def test_search_finds_repositories_by_a_part_of_their_name(
    docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}-sought"
    loaded(docker, images, "busybox", name, tmp_path)
    docker("push", name)
    found = docker("search", "--no-trunc", "--format", "{{.Name}}", f"{registry}/{repository}-sou")
    assert f"{repository}-sought" in found


def test_a_manifest_list_is_created_and_pushed(
    classic_docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}"
    loaded(classic_docker, images, "busybox", f"{name}:amd64", tmp_path)
    digest = pushed(classic_docker, f"{name}:amd64")
    classic_docker("manifest", "create", "--insecure", f"{name}:list", f"{name}:amd64")
    classic_docker("manifest", "annotate", "--arch=amd64", "--os=linux", f"{name}:list", f"{name}:amd64")
    said = classic_docker("manifest", "push", "--insecure", "--purge", f"{name}:list").split()[-1]
    assert registry.digest(repository, "list") == said
    shown = json.loads(classic_docker("manifest", "inspect", "--insecure", f"{name}:list"))
    assert [one["digest"] for one in shown["manifests"]] == [digest]


def test_an_image_is_built_on_one_from_the_registry(
    classic_docker: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    name = f"{registry}/{repository}"
    loaded(classic_docker, images, "busybox", f"{name}:base", tmp_path)
    classic_docker("push", f"{name}:base")
    classic_docker("rmi", f"{name}:base")
    (tmp_path / "Dockerfile").write_text(f"FROM {name}:base\nRUN /bin/busybox touch /made\n")
    builder = classic_docker.within({"DOCKER_BUILDKIT": "0"})
    builder("build", "--network=none", "--tag", f"{name}:made", "--file", tmp_path / "Dockerfile", tmp_path)
    digest = pushed(classic_docker, f"{name}:made")
    assert registry.digest(repository, "made") == digest
    assert len(registry.manifest(repository, "made")["layers"]) == 2
