# SPDX-License-Identifier: Apache-2.0
"""A running registry, real images, and every client with a home of its own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from .engines import (
    CLASSIC,
    CONTAINERD_STORE,
    containerd_engine,
    daemonless,
    docker_clients,
    docker_engine,
)
from .layouts import Layout, tarball
from .programs import CACHE, PROJECT, Client, missing, needed
from .registries import Registry, serving

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One registry for all clients."""
    with serving(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def repository() -> str:
    """A repository name that no other test uses."""
    return f"team/images-{next(_numbers)}"


@pytest.fixture(scope="session")
def busybox() -> bytes:
    """Debian's static busybox: a program that runs in an image of its own."""
    program = Path(needed("/bin/busybox"))
    return program.read_bytes()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, busybox: bytes) -> Layout:
    """A layout with two images and an index: `busybox`, `greeting` (busybox and a file) and `multi` (two platforms)."""
    layout = Layout(tmp_path_factory.mktemp("images") / "layout")
    base = layout.layer(tarball({"bin/busybox": busybox, "bin/sh": busybox}))
    other = layout.layer(tarball({"bin/busybox": b"\x7fELF for another machine"}))
    greeting = layout.layer(tarball({"greeting": b"good day\n"}))
    amd64 = layout.image([base], command=["/bin/busybox", "echo", "it runs"])
    layout.tag("busybox", amd64)
    layout.tag("greeting", layout.image([base, greeting], command=["/bin/busybox", "cat", "/greeting"]))
    layout.tag("multi", layout.index([amd64, layout.image([other], architecture="arm64")]))
    return layout


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A layout with one image of ordinary size, `debian`: a Debian root file system in one layer, as real ones have."""
    Client([str(PROJECT / "tests/tools/debian-root")])()
    root = CACHE / "debian.tar"
    if not root.exists():
        missing("there is no Debian root file system: run tests/tools/debian-root")
    layout = Layout(tmp_path_factory.mktemp("debian") / "layout")
    layout.tag("debian", layout.image([layout.layer(root.read_bytes())], command=["cat", "/etc/debian_version"]))
    return layout


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which clients find none of this machine's settings and credentials."""
    path = tmp_path_factory.mktemp("home")
    return {"HOME": str(path), "DOCKER_CONFIG": str(path / "docker"), "REGISTRY_AUTH_FILE": str(path / "auth.json")}


@pytest.fixture(scope="session")
def classic_engine(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[str]:
    """Debian's Docker engine."""
    with docker_engine(CLASSIC, tmp_path_factory.mktemp("dockerd"), registry.address) as host:
        yield host


@pytest.fixture(scope="session")
def current_engine(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[str]:
    """A current Docker engine, which keeps images in containerd's store."""
    with docker_engine(CONTAINERD_STORE, tmp_path_factory.mktemp("dockerd"), registry.address) as host:
        yield host


ENGINES = {CLASSIC: "classic_engine", CONTAINERD_STORE: "current_engine"}


@pytest.fixture(scope="session", params=itertools.product(ENGINES, docker_clients()), ids=" ".join)
def docker(request: pytest.FixtureRequest, home: dict[str, str]) -> Client:
    """Each docker client with each engine."""
    kind, client = request.param
    return Client([needed(client)], {**home, "DOCKER_HOST": request.getfixturevalue(ENGINES[kind])})


@pytest.fixture(scope="session", params=ENGINES)
def each_engine(request: pytest.FixtureRequest, home: dict[str, str]) -> Client:
    """The first docker client with each engine, for what takes long and does not depend on the client."""
    return Client([needed("docker")], {**home, "DOCKER_HOST": request.getfixturevalue(ENGINES[request.param])})


@pytest.fixture(scope="session", params=docker_clients())
def classic_docker(request: pytest.FixtureRequest, classic_engine: str, home: dict[str, str]) -> Client:
    """Each docker client with Debian's engine, for what only that engine does here: run what it pulled."""
    return Client([needed(request.param)], {**home, "DOCKER_HOST": classic_engine})


@pytest.fixture(scope="session")
def buildx(current_engine: str, home: dict[str, str]) -> Client:
    """BuildKit inside a current Docker engine."""
    return Client([needed("buildx")], {**home, "DOCKER_HOST": current_engine})


@pytest.fixture(scope="session")
def ctr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """containerd's own client, with a containerd."""
    with containerd_engine(tmp_path_factory.mktemp("containerd")) as client:
        yield client


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with daemonless("podman", tmp_path_factory.mktemp("podman")) as client:
        yield client.also("--cgroup-manager=cgroupfs", "--events-backend=none")


@pytest.fixture(scope="session")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with daemonless("buildah", tmp_path_factory.mktemp("buildah")) as client:
        yield client


@pytest.fixture(scope="session")
def skopeo(home: dict[str, str]) -> Client:
    return Client([needed("skopeo"), "--insecure-policy"], home)


@pytest.fixture(scope="session")
def crane(home: dict[str, str]) -> Client:
    return Client([needed("crane")], home)


@pytest.fixture(scope="session")
def regctl(home: dict[str, str], registry: Registry) -> Client:
    """regctl, told that the registry speaks plain HTTP."""
    environment = {**home, "REGCTL_CONFIG": f"{home['HOME']}/regctl.json"}
    return Client([needed("regctl"), "--host", f"reg={registry},tls=disabled"], environment)


@pytest.fixture(scope="session")
def oras(home: dict[str, str]) -> Client:
    return Client([needed("oras")], {**home, "NO_COLOR": "1"})


@pytest.fixture(scope="session")
def helm(home: dict[str, str]) -> Client:
    return Client([needed("helm")], home)
