# SPDX-License-Identifier: Apache-2.0
"""Who is compared, how each is started, and where that puts it: a subject, a peer or a ceiling."""

import dataclasses
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
from estiva.config import describe_settings

_DISTRIBUTION = """\
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
_WORKERS = 2
_SINGLE_ROWS = frozenset({"manifest", "blob", "push", "images", "pull"})

BUILT = Path(__file__).parent.parent / ".cache" / "go" / "bin"
"""Where `make bench-peers` puts programs."""


class Role(StrEnum):
    """Why a contender takes part."""

    ESTIVA = "estiva"
    VARIANT = "variant"
    PEER = "peer"
    CEILING = "ceiling"


class Work(StrEnum):
    """What a row asks of a contender; BULK is what only Estiva can do, or is asked to do."""

    PULL = "pull"
    PUSH = "push"
    KEEP = "keep"
    BULK = "bulk"


_REGISTRY = frozenset({Work.PULL, Work.PUSH, Work.KEEP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server that can be measured; `about` says what it is and under which conditions it works.

    `rows` are those that it takes part in; none means all that it has the `works` for.
    """

    name: str
    role: Role
    version: str
    about: str
    works: frozenset[Work]
    command: Command
    shelf: Callable[[Server], Shelf]
    rows: frozenset[str] = frozenset()

    def takes(self, row: str, work: Work) -> bool:
        """Tell whether it takes part in a row."""
        return work in self.works and (not self.rows or row in self.rows)

    def server(self, directory: Path) -> Server:
        """Return a server that is not started yet."""
        return Server(self.name, self.command, directory, keeps=Work.KEEP in self.works)


def find(peers: list[str], skipped: set[str]) -> tuple[list[Contender], list[str]]:
    """Return the contenders that this machine has, Estiva first, and a note for each one that is missing."""
    wanted = [contender for contender in _built_in() if contender.name not in skipped]
    given = [_peer(text) for text in peers]
    present = [contender for contender in wanted if contender.version]
    notes = [f"{contender.name} is not installed" for contender in wanted if not contender.version]
    order = {Role.ESTIVA: 0, Role.VARIANT: 1, Role.PEER: 2, Role.CEILING: 3}
    return sorted(present + given, key=lambda contender: order[contender.role]), notes


def _built_in() -> list[Contender]:
    return [*_estivas(), *_registries(), *_ceilings()]


def _estivas() -> list[Contender]:
    about = "access log, metrics, limits and statistics on, durable before it says 201"
    version = _estiva_version()
    whole = Contender(
        name="estiva",
        role=Role.ESTIVA,
        version=version,
        about=f"{_WORKERS} workers, {about}" if _has_workers() else f"one process, {about}",
        works=frozenset(Work),
        command=lambda directory, port: _serve_estiva(directory, port, _WORKERS),
        shelf=ApiShelf,
    )
    if not _has_workers():
        return [whole]
    single = dataclasses.replace(
        whole,
        name="estiva-1",
        role=Role.VARIANT,
        about=f"one worker, {about}",
        command=lambda directory, port: _serve_estiva(directory, port, 1),
        rows=_SINGLE_ROWS,
    )
    return [whole, single]


def _registries() -> list[Contender]:
    about = "deletes on, blob descriptors cached in memory, access log on (its default)"
    debian = Contender(
        name="docker-registry",
        role=Role.PEER,
        version=_output("docker-registry", "--version"),
        about=about,
        works=_REGISTRY,
        command=lambda directory, port: _serve_distribution(_program("docker-registry"), directory, port),
        shelf=ApiShelf,
    )
    newer = dataclasses.replace(
        debian,
        name="distribution-3",
        version=_output("registry", "--version"),
        about=f"{about}, built by the recipe in docs/benchmarks",
        # Without this it looks for somebody to send traces to.
        command=lambda directory, port: [
            *("env", "OTEL_TRACES_EXPORTER=none"),
            *_serve_distribution(_program("registry"), directory, port),
        ],
    )
    return [debian, newer]


def _ceilings() -> list[Contender]:
    return [
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
        works=_REGISTRY,
        command=serve,
        shelf=ApiShelf,
    )


def _serve_estiva(directory: Path, port: int, workers: int) -> list[str]:
    data = str(directory / "data")
    chosen = ["--workers", str(workers)] if _has_workers() else []
    return [sys.executable, "-m", "estiva", "serve", "--open", "--port", str(port), "--data", data, *chosen]


def _has_workers() -> bool:
    """Tell whether this revision of Estiva has more than one process."""
    return any(setting.key == "workers" for setting in describe_settings())


def _serve_distribution(program: str, directory: Path, port: int) -> list[str]:
    config = directory / "config.yml"
    config.write_text(_DISTRIBUTION.format(directory=directory, host=HOST, port=port))
    return [program, "serve", str(config)]


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
    """Return the path of a program, also one for administrators, or one built here; empty when there is none."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:{BUILT}") or ""


def _output(name: str, option: str) -> str:
    """Return the version that a program tells; empty when it is not installed."""
    if not (program := _program(name)):
        return ""
    told = subprocess.run([program, option], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.+~-]*", told.stdout + told.stderr)
    return found[0] if found else "unknown"


def _estiva_version() -> str:
    try:
        return importlib.metadata.version("estiva")
    except importlib.metadata.PackageNotFoundError:
        return ""
