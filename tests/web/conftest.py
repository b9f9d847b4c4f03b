# SPDX-License-Identifier: Apache-2.0
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from estiva.config import Settings
from harness.client import Client, connect
from harness.postgres import PostgresServer, postgres_server
from harness.server import Registry, serve


@pytest.fixture
def settings() -> Settings:
    """Override to serve with other settings."""
    return Settings()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory() as directory, postgres_server(Path(directory)) as server:
        yield server


@pytest.fixture
def sqlite() -> None:
    """The database that is in the data directory."""


@pytest.fixture
def postgresql(postgresql_server) -> str:
    return postgresql_server.new_database()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request) -> str | None:
    """Every test runs on either database."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def registry(tmp_path, settings, database) -> AsyncIterator[Registry]:
    async with serve(tmp_path / "data", settings, database) as running:
        yield running


@pytest.fixture
async def client(registry) -> AsyncIterator[Client]:
    async for connected in connect(registry.base):
        yield connected
