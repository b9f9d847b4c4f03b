# SPDX-License-Identifier: Apache-2.0
"""The server answers as a model of it does, on either database, and its books are in order afterwards."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from harness.audit import Stock, read_postgres, read_served_sqlite
from harness.postgres import postgres_server
from harness.process import ServerProcess

from .machine import RegistryMachine

SMALL_PAGES = {"ESTIVA_LIMITS_REFERRERS_PAGE": "2", "ESTIVA_STORAGE_SWEEP_EVERY": "100ms"}
NO_DELAY = {"ESTIVA_STORAGE_OBJECT_DELAY": "0s"}
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}
SOME = settings(max_examples=150, stateful_step_count=40, **QUIET)
MANY = settings(max_examples=1000, stateful_step_count=80, **QUIET)
WITH_CRASHES = settings(max_examples=60, stateful_step_count=60, **QUIET)

examples = pytest.mark.parametrize(
    "examples",
    [
        pytest.param(SOME, id="some"),
        pytest.param(MANY, id="many", marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)


@pytest.fixture
def sqlite(tmp_path):
    """A server on SQLite, and how to read its tables."""
    server = ServerProcess(tmp_path / "data", SMALL_PAGES | NO_DELAY)
    asyncio.run(server.start())
    yield server, lambda: read_served_sqlite(server.data / "estiva.db")
    asyncio.run(server.kill9())


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory):
    with postgres_server(tmp_path_factory.mktemp("postgresql")) as running:
        yield running


@pytest.fixture
def postgres(tmp_path, postgresql):
    """A server on PostgreSQL, and how to read its tables."""
    url = postgresql.new_database()
    server = ServerProcess(tmp_path / "data", SMALL_PAGES | NO_DELAY | {"ESTIVA_DATABASE": url})
    asyncio.run(server.start())
    yield server, lambda: asyncio.run(read_postgres(url))
    asyncio.run(server.kill9())


def compare(server, examples, crash=None):
    class Bound(RegistryMachine):
        pass

    Bound.port = staticmethod(lambda: server.port)
    Bound.crash = staticmethod(crash) if crash else None
    run_state_machine_as_test(Bound, settings=examples)


def faults(server, read_tables):
    return Stock(read_tables(), Path(server.data) / "blobs", set()).faults()


@examples
def test_the_server_on_sqlite_is_like_the_model(sqlite, examples):
    server, read_tables = sqlite
    compare(server, examples)
    assert faults(server, read_tables) == []


@pytest.mark.postgresql
@examples
def test_the_server_on_postgresql_is_like_the_model(postgres, examples):
    server, read_tables = postgres
    compare(server, examples)
    assert faults(server, read_tables) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_server_that_is_killed_now_and_then_is_like_the_model(sqlite):
    server, read_tables = sqlite

    async def crash():
        await server.kill9()
        await server.start()

    compare(server, WITH_CRASHES, lambda: asyncio.run(crash()))
    assert faults(server, read_tables) == []
