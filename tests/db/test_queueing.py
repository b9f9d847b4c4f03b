# SPDX-License-Identifier: Apache-2.0
"""Only so many callers wait for a database, of either kind; whoever watches hears of it."""

import asyncio
import threading
from contextlib import AsyncExitStack

import pytest

from db.rows import make_repository
from estiva.db import repositories
from estiva.db.engine import Database
from estiva.db.postgres import POOL
from estiva.errors import TooBusy
from estiva.telemetry.metrics import Limit
from harness.databases import prepared

MOST = 3


class Observer:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.commits, self.depths, self.refusals = [], [], []

    def committed(self, jobs) -> None:
        self.commits.append(jobs)

    def write_queue(self, depth) -> None:
        self.depths.append(depth)

    def refused(self, limit) -> None:
        self.refusals.append(limit)


@pytest.fixture
def observer():
    return Observer()


@pytest.fixture
async def database(location, observer):
    """A database for which few may wait."""
    opened = await prepared(location, MOST, observer)
    yield opened
    await opened.close()


async def fill(database: Database, stack: AsyncExitStack) -> list[asyncio.Task]:
    """Let callers work, and others wait, until there is no more room."""
    opened = threading.Event()
    tasks = []

    async def free():
        opened.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(free)
    served = {"sqlite": 0, "postgresql": POOL}[kind(database)]
    work = {"sqlite": lambda conn: opened.wait(30), "postgresql": sleep}[kind(database)]
    tasks += [asyncio.create_task(database.write(work)) for _ in range(served + MOST)]
    await asyncio.sleep(0)
    return tasks


def kind(database):
    return {"SqliteDatabase": "sqlite", "PostgresDatabase": "postgresql"}[type(database).__name__]


def sleep(conn):
    conn.exec_driver_sql("SELECT pg_sleep(0.2)")


async def test_who_comes_when_too_many_wait_is_refused_at_once(database, observer):
    async with AsyncExitStack() as stack:
        await fill(database, stack)
        for ask in (database.write, database.note):
            with pytest.raises(TooBusy):
                await ask(make_repository)
        assert observer.refusals == [Limit.WRITES, Limit.WRITES]
        assert max(observer.depths) == MOST


async def test_once_they_have_been_served_there_is_room_again(database, observer):
    async with AsyncExitStack() as stack:
        await fill(database, stack)
    await database.write(make_repository)
    assert observer.depths[-1] == 0


async def test_pulling_goes_on_while_too_many_wait(database):
    async with AsyncExitStack() as stack:
        await fill(database, stack)
        assert await database.row(repositories.FIND, "r") is None


async def test_who_watches_hears_of_commits(database, observer):
    await database.write(make_repository)
    await database.note(make_repository)
    assert observer.commits == [1, 1]


async def test_one_commit_for_many_shows(sqlite_location, observer):
    database = await prepared(sqlite_location, observer=observer)
    held = threading.Event()
    first = asyncio.create_task(database.write(lambda conn: held.wait(30)))
    more = [asyncio.create_task(database.write(make_repository, f"r{number}")) for number in range(20)]
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(first, *more)
    await database.close()
    assert sum(observer.commits) == 21
    assert len(observer.commits) <= 2


async def test_a_caller_that_gave_up_makes_room_when_its_turn_has_passed(sqlite_location):
    database = await prepared(sqlite_location, MOST)
    for _ in range(3 * MOST):
        asked = asyncio.create_task(database.write(make_repository))
        await asyncio.sleep(0)
        asked.cancel()
        await database.write(make_repository)
    await database.close()
