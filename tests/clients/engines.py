# SPDX-License-Identifier: Apache-2.0
"""Container engines that tests start for themselves: nothing of theirs is shared with the machine's own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .programs import CACHE, Client, find, missing, needed, running

# Names of the engine kinds in test ids.
CLASSIC = "graph driver"
CONTAINERD_STORE = "containerd store"


def docker_clients() -> list[str]:
    """List each docker client of this machine once: the first on the PATH, and Debian's."""
    found = (find("docker"), find("/usr/bin/docker"))
    return sorted({os.path.realpath(path) for path in found if path}) or ["docker"]


def dockerd(kind: str) -> list[str]:
    """Return the command of a Docker engine: Debian's with a graph driver, or a current one with containerd's store."""
    if kind == CLASSIC:
        return [needed("/usr/sbin/dockerd"), "--storage-driver=vfs"]
    current = CACHE / "bin/dockerd"
    if not current.exists():
        missing("a current dockerd is not built: run tests/tools/install-clients")
    return [str(current), "--storage-driver=native"]


@contextmanager
def docker_engine(kind: str, root: Path, mirror: str) -> Iterator[str]:
    """Run a Docker engine without networks that asks `mirror` first; the value is what DOCKER_HOST must be."""
    command = dockerd(kind)
    as_root()
    socket = root / "docker.sock"
    apart = ["--data-root", root / "data", "--exec-root", root / "exec", "-p", root / "pid", "-H", f"unix://{socket}"]
    no_network = ["--iptables=false", "--ip6tables=false", "--bridge=none"]
    try:
        with running([*command, *apart, *no_network, f"--registry-mirror=http://{mirror}"], ready="API listen on"):
            yield f"unix://{socket}"
    finally:
        discard(root)


@contextmanager
def containerd_engine(root: Path) -> Iterator[Client]:
    """Run a containerd with its own root; the value is a `ctr` that talks to it."""
    program, ctr = needed("containerd"), needed("ctr")
    as_root()
    socket = root / "containerd.sock"
    config = root / "config.toml"
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    apart = ["--config", config, "--root", root / "root", "--state", root / "state", "--address", socket]
    try:
        with running([program, *apart], ready="successfully booted"):
            yield Client([ctr, "--address", str(socket), "--namespace", "tests"], {"CONTAINERD_SNAPSHOTTER": "native"})
    finally:
        discard(root)


@contextmanager
def daemonless(name: str, root: Path) -> Iterator[Client]:
    """Give a podman or a buildah that keeps its images in a directory of its own."""
    program = needed(name)
    as_root()
    storage = ["--root", str(root / "images"), "--runroot", str(root / "run"), "--storage-driver=vfs"]
    try:
        yield Client([program, *storage], {"HOME": str(root), "TMPDIR": str(root)})
    finally:
        discard(root)


def discard(root: Path) -> None:
    """Remove what an engine left, the file systems first that it still has mounted there."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed([place for place in mounted if root in Path(place).parents]):
        subprocess.run(["umount", "--lazy", place], check=True)
    shutil.rmtree(root, ignore_errors=True)


def as_root() -> None:
    """End the test when engines cannot be started because this is not root."""
    if os.geteuid() != 0:
        missing("engines are started as root only")
