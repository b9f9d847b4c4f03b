# SPDX-License-Identifier: Apache-2.0
"""Several clients at the same moment, on the same layers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .layouts import Layout
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients


@pytest.fixture
def pushes(crane: Client, regctl: Client, oras: Client, skopeo: Client) -> dict[str, Callable[[Path, str], str]]:
    """How each client that needs no engine pushes the image called `debian` from a layout."""
    plain = ("--dest-tls-verify=false", "--preserve-digests")
    return {
        "crane": crane.also("push"),
        "regctl": lambda layout, name: regctl("image", "copy", f"ocidir://{layout}:debian", name),
        "oras": lambda layout, name: oras("cp", "--from-oci-layout", "--to-plain-http", f"{layout}:debian", name),
        "skopeo": lambda layout, name: skopeo("copy", *plain, f"oci:{layout}:debian", f"docker://{name}"),
    }


def test_clients_that_push_one_image_at_once_all_succeed(
    pushes: dict[str, Callable[[Path, str], str]], registry: Registry, repository: str, debian: Layout
) -> None:
    tags = {f"{client}-{turn}": push for client, push in pushes.items() for turn in (1, 2)}
    with ThreadPoolExecutor(len(tags)) as pool:
        for push in [pool.submit(push, debian.path, f"{registry}/{repository}:{tag}") for tag, push in tags.items()]:
            push.result()
    assert registry.tags(repository) == sorted(tags)
    assert {registry.digest(repository, tag) for tag in tags} == {debian.tags["debian"].digest}


def test_clients_that_pull_one_image_at_once_all_get_it(
    crane: Client, registry: Registry, repository: str, debian: Layout, tmp_path: Path
) -> None:
    registry.publish(debian, "debian", repository)
    turns = range(6)
    with ThreadPoolExecutor(len(turns)) as pool:
        for pull in [
            pool.submit(crane, "pull", "--format=oci", f"{registry}/{repository}:debian", tmp_path / str(turn))
            for turn in turns
        ]:
            pull.result()
    layer = debian.manifest("debian")["layers"][0]["digest"].removeprefix("sha256:")
    sizes = {(tmp_path / str(turn) / "blobs/sha256" / layer).stat().st_size for turn in turns}
    assert sizes == {debian.manifest("debian")["layers"][0]["size"]}
