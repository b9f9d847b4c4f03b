# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server that nobody else uses."""

import itertools
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.programs import missing

PGTMP = Path(__file__).parents[1] / "engines" / "pgtmp"


@dataclass(frozen=True)
class PostgresServer:
    """A running server with its data below a directory."""

    port: int
    directory: Path
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        """The database that every server has."""
        return self._url("postgres")

    def run(self, sql: str) -> str:
        """Run SQL apart from all connections of the test; the answer as unaligned text."""
        command = ["psql", "-XqtA", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"estiva{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self._url(name)

    def connections(self, url: str) -> int:
        """Count the connections to a database."""
        name = url.rpartition("/")[2]
        return int(self.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"))

    def crash(self) -> None:
        """Let the server end at once, as if it were killed."""
        self._control("stop", "-m", "immediate")

    def restart(self) -> None:
        """Start the server again on the same data; it recovers what was committed."""
        self._control("start", "-l", str(self.directory / "log"))

    def _control(self, *arguments: str) -> None:
        program = max(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        data = self.directory / "data"
        command = [*user, program, "-D", data, "-w", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.directory)

    def _url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


@contextmanager
def postgres_server(base: Path) -> Iterator[PostgresServer]:
    """Run a server with its data in a directory that is there for it."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        missing("PostgreSQL is not installed (Debian: postgresql)")
    _open_the_way(base)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run([PGTMP, "start", base / "server", str(port)], check=True)
    try:
        yield PostgresServer(port, base / "server")
    finally:
        subprocess.run([PGTMP, "stop", base / "server"], check=True)


def _open_the_way(base: Path) -> None:
    """Let the user that PostgreSQL runs as get to its own, through directories that pytest keeps to itself."""
    for directory in (base, *base.parents):
        found = directory.stat()
        if found.st_uid == os.getuid() and not found.st_mode & 0o001:
            directory.chmod(found.st_mode | 0o011)
