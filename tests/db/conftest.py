# SPDX-License-Identifier: Apache-2.0
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from estiva.db.engine import Database
from harness.databases import prepared
from harness.postgres import PostgresServer, postgres_server

BOTH = ["sqlite_location", pytest.param("postgresql_location", marks=pytest.mark.postgresql)]


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory() as directory, postgres_server(Path(directory)) as running:
        yield running


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
    opened = await prepared(location)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(sqlite_location) -> AsyncIterator[Database]:
    opened = await prepared(sqlite_location)
    yield opened
    await opened.close()


@pytest.fixture
async def postgresql(postgresql_location) -> AsyncIterator[Database]:
    opened = await prepared(postgresql_location)
    yield opened
    await opened.close()
