# SPDX-License-Identifier: Apache-2.0
"""Engines that build the image and run it."""

import json
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clients.engines import as_root
from clients.programs import Client, needed, running
from clients.registries import Registry

BASE = "localhost/debian-python:bookworm"
IMAGE = "estiva:latest"

# podman takes its settings from files alone: crun needs cgroups, and limits above this process's own, that a machine
# of the tests may lack.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """docker or podman, with images and containers of its own.

    `insecure` lets it speak to a registry without TLS.
    """

    name: str
    client: Client
    insecure: tuple[str, ...]

    @contextmanager
    def running(self, name: str, data: str, settings: Mapping[str, str], *options: str) -> Iterator[Registry]:
        """Run a container of the image, as strictly as the documentation says; at the end its volume `data` is left."""
        given = [f"--env={variable}={text}" for variable, text in settings.items()]
        strict = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        volume = f"--volume={data}:/var/lib/estiva"
        self.client("create", f"--name={name}", "--network=host", *strict, volume, *given, *options, IMAGE)
        try:
            yield self.start(name)
        finally:
            self.client("rm", "--force", name)

    def start(self, name: str) -> Registry:
        """Start a container that is there, and wait until it serves."""
        since = datetime.now(UTC).isoformat()
        self.client("start", name)
        return Registry(self.wait_until_it_logs(name, r"http://(localhost:\d+)", f"--since={since}")[1])

    def stop(self, name: str) -> int:
        """Stop a container as `docker stop` does, and return its exit code: 137 when it had to be killed."""
        self.client("stop", name)
        return int(self.client("inspect", "--format={{.State.ExitCode}}", name))

    def wait_until_it_logs(self, name: str, awaited: str, *options: str) -> re.Match[str]:
        """Wait until a line on either stream of a container matches."""
        follow = [*self.client.command, "logs", "--follow", *options, name]
        with running(follow, ready=awaited, environment=self.client.environment) as found:
            return found

    def logs(self, name: str) -> str:
        """Return what a container has written to both streams."""
        return self.client.told("logs", name)

    def config(self, image: str) -> Any:
        """Return the configuration of an image."""
        return json.loads(self.client("image", "inspect", image))[0]["Config"]

    def identity(self, image: str) -> str:
        """Return the id of an image: the digest of its configuration."""
        return self.client("image", "inspect", "--format={{.Id}}", image).strip()

    def wait_until_healthy(self, name: str) -> None:
        """Wait until the engine calls a container healthy."""
        raise NotImplementedError


class Docker(Engine):
    """An engine that runs health checks by itself."""

    def wait_until_healthy(self, name: str) -> None:
        """Follow its events."""
        wanted = [f"--filter=container={name}", "--filter=event=health_status", "--since=10m"]
        command = [*self.client.command, "events", *wanted]
        with running(command, ready="health_status: healthy", environment=self.client.environment):
            pass


class Podman(Engine):
    """An engine that leaves the timing of health checks to systemd."""

    def wait_until_healthy(self, name: str) -> None:
        """Run the check once: whoever serves is healthy."""
        self.client("healthcheck", "run", name)


def free_port() -> str:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def docker(root: Path) -> Iterator[Engine]:
    """Run a docker engine without networks."""
    as_root()
    client, address = needed("docker"), f"unix://{root}/docker.sock"
    apart = ["--data-root", root / "data", "--exec-root", root / "exec", "-p", root / "pid", "-H", address]
    no_network = ["--iptables=false", "--ip6tables=false", "--bridge=none"]
    environment = {"DOCKER_HOST": address, "DOCKER_CONFIG": str(root), "DOCKER_BUILDKIT": "0"}
    with running([needed("/usr/sbin/dockerd"), *apart, *no_network], ready="API listen on"):
        yield Docker(name="docker", client=Client([client], environment), insecure=())


@contextmanager
def podman(root: Path) -> Iterator[Engine]:
    """Give a podman that keeps its images and containers in a directory of its own."""
    as_root()
    (root / "containers.conf").write_text(CONTAINERS_CONF)
    storage = {"driver": "overlay", "graphroot": str(root / "images"), "runroot": str(root / "run")}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in storage.items()]
    (root / "storage.conf").write_text("".join(["[storage]\n", *lines]))
    environment = {
        "CONTAINERS_CONF": str(root / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(root / "storage.conf"),
        "HOME": str(root),
        "TMPDIR": str(root),
    }
    yield Podman(name="podman", client=Client([needed("podman")], environment), insecure=("--tls-verify=false",))


def clear(root: Path) -> None:
    """Remove a directory that an engine has used, with what the engine has left mounted below it."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((path for path in mounted if Path(path).is_relative_to(root)), reverse=True):
        Client(["umount"])(mount)
    shutil.rmtree(root)


ENGINES = {"docker": docker, "podman": podman}
