# SPDX-License-Identifier: Apache-2.0
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from estiva.db.engine import Database, open_database

PGTMP = Path(__file__).parents[1] / "engines" / "pgtmp"
BOTH = ["sqlite_location", pytest.param("postgresql_location", marks=pytest.mark.postgresql)]


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server that nobody else uses."""

    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, sql: str) -> str:
        """Run SQL apart from all connections of the test; the answer as unaligned text."""
        command = ["psql", "-XqtA", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        missing = "PostgreSQL is not installed (Debian: postgresql)"
        pytest.fail(missing) if "CI" in os.environ else pytest.skip(missing)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="estiva-") as directory:  # pytest's own is for nobody else to enter
        Path(directory).chmod(0o755)
        place = Path(directory) / "server"
        subprocess.run([PGTMP, "start", place, str(port)], check=True)
        try:
            yield Server(port)
        finally:
            subprocess.run([PGTMP, "stop", place], check=True)


@pytest.fixture
def sqlite_location(tmp_path) -> str:
    return str(tmp_path / "estiva.db")


@pytest.fixture
def postgresql_location(server) -> str:
    server.run("SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return server.url


@pytest.fixture(params=BOTH, ids=["sqlite", "postgresql"])
def location(request) -> str:
    """Where an empty database is, of either kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def database(location) -> AsyncIterator[Database]:
    """An open database of either kind."""
    opened = await open_database(location)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(sqlite_location) -> AsyncIterator[Database]:
    opened = await open_database(sqlite_location)
    yield opened
    await opened.close()


@pytest.fixture
async def postgresql(postgresql_location) -> AsyncIterator[Database]:
    opened = await open_database(postgresql_location)
    yield opened
    await opened.close()
