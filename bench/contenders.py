# SPDX-License-Identifier: Apache-2.0
"""Who is compared, how each is started, and where that puts it: a subject, a peer or a ceiling."""

import importlib.metadata
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.plan import BenchError
from bench.servers import Command, Server
from bench.shelves import ApiShelf, FileShelf, Shelf
from bench.wire import HOST

_DOCKER_REGISTRY = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: {directory}/registry
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
  maintenance:
    uploadpurging:
      enabled: false
http:
  addr: {host}:{port}
  secret: benchmark
"""

_NGINX = """\
{user}
worker_processes 1;
worker_rlimit_nofile {files};
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  sendfile_max_chunk 0;
  open_file_cache max={cached} inactive=3600s;
  open_file_cache_valid 3600s;
  keepalive_requests 1000000000;
  types {{ }}
  client_body_temp_path {directory}/temporary;
  proxy_temp_path {directory}/temporary;
  fastcgi_temp_path {directory}/temporary;
  uwsgi_temp_path {directory}/temporary;
  scgi_temp_path {directory}/temporary;
  server {{
    listen {host}:{port};
    root {directory}/www;
    location = /v2/ {{ return 200 "{{}}"; }}
    location ~ /manifests/ {{ sendfile off; default_type application/vnd.oci.image.manifest.v1+json; }}
    location / {{ default_type application/octet-stream; }}
  }}
}}
"""

_MOST_FILES = 65536


class Role(StrEnum):
    """Why a contender takes part."""

    ESTIVA = "estiva"
    PEER = "peer"
    CEILING = "ceiling"


class Work(StrEnum):
    """What a row asks of a contender."""

    PULL = "pull"
    PUSH = "push"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server that can be measured; `about` says what it is and under which conditions it works."""

    name: str
    role: Role
    version: str
    about: str
    works: frozenset[Work]
    command: Command
    shelf: Callable[[Server], Shelf]

    def server(self, directory: Path) -> Server:
        """Return a server that is not started yet."""
        return Server(self.name, self.command, directory, keeps=Work.KEEP in self.works)


def find(peers: list[str], skipped: set[str]) -> tuple[list[Contender], list[str]]:
    """Return the contenders that this machine has, Estiva first, and a note for each one that is missing."""
    wanted = [contender for contender in _built_in() if contender.name not in skipped]
    given = [_peer(text) for text in peers]
    present = [contender for contender in wanted if contender.version]
    notes = [f"{contender.name} is not installed" for contender in wanted if not contender.version]
    order = {Role.ESTIVA: 0, Role.PEER: 1, Role.CEILING: 2}
    return sorted(present + given, key=lambda contender: order[contender.role]), notes


def _built_in() -> list[Contender]:
    registry = frozenset(Work)
    return [
        Contender(
            name="estiva",
            role=Role.ESTIVA,
            version=_estiva_version(),
            about="default settings, access log and metrics on, durable before it says 201",
            works=registry,
            command=_serve_estiva,
            shelf=ApiShelf,
        ),
        Contender(
            name="docker-registry",
            role=Role.PEER,
            version=_output("docker-registry", "--version"),
            about="deletes on, blob descriptors cached in memory, access log on (its default)",
            works=registry,
            command=_serve_docker_registry,
            shelf=ApiShelf,
        ),
        Contender(
            name="nginx",
            role=Role.CEILING,
            version=_output("nginx", "-v"),
            about="the same bytes as plain files, one worker, sendfile_max_chunk 0, files kept open, no access log",
            works=frozenset({Work.PULL}),
            command=_serve_nginx,
            shelf=lambda server: FileShelf(server.directory / "www"),
        ),
        Contender(
            name="sink",
            role=Role.CEILING,
            version="of this benchmark",
            about="accepts every push and discards it unread: the limit of the client",
            works=frozenset({Work.PUSH}),
            command=lambda _directory, port: [sys.executable, "-m", "bench.sink", str(port)],
            shelf=ApiShelf,
        ),
    ]


def _peer(text: str) -> Contender:
    name, equals, command = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]*", name) or "{port}" not in command:
        raise BenchError(f"--peer {text!r}: write NAME=COMMAND, where the command contains {{port}} and {{dir}}")

    def serve(directory: Path, port: int) -> list[str]:
        return [word.replace("{port}", str(port)).replace("{dir}", str(directory)) for word in shlex.split(command)]

    return Contender(
        name=name,
        role=Role.PEER,
        version="as given",
        about="started by --peer",
        works=frozenset(Work),
        command=serve,
        shelf=ApiShelf,
    )


def _serve_estiva(directory: Path, port: int) -> list[str]:
    data = str(directory / "data")
    return [sys.executable, "-m", "estiva", "serve", "--open", "--port", str(port), "--data", data]


def _serve_docker_registry(directory: Path, port: int) -> list[str]:
    config = directory / "config.yml"
    config.write_text(_DOCKER_REGISTRY.format(directory=directory, host=HOST, port=port))
    return [_program("docker-registry"), "serve", str(config)]


def _serve_nginx(directory: Path, port: int) -> list[str]:
    (directory / "www").mkdir(exist_ok=True)
    config = directory / "nginx.conf"
    # Root's nginx would give up root, and then could not read a private temporary directory.
    user = "user root;" if os.geteuid() == 0 else ""
    # A file kept open is a descriptor, and the usual soft limit is less than the tags that a row asks for.
    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], _MOST_FILES)
    values = {"directory": directory, "host": HOST, "port": port, "user": user, "files": files, "cached": files // 2}
    config.write_text(_NGINX.format_map(values))
    return [_program("nginx"), "-e", str(directory / "error.log"), "-c", str(config)]


def _program(name: str) -> str:
    """Return the path of a program, also one for administrators; empty when it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def _output(name: str, option: str) -> str:
    """Return the version that a program tells; empty when it is not installed."""
    if not (program := _program(name)):
        return ""
    told = subprocess.run([program, option], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\S*", told.stdout + told.stderr)
    return found[0] if found else "unknown"


def _estiva_version() -> str:
    try:
        return importlib.metadata.version("estiva")
    except importlib.metadata.PackageNotFoundError:
        return ""
