# SPDX-License-Identifier: Apache-2.0
"""What one turn of the event loop reads is of one state of the database, and never of an older one than its bytes."""

import asyncio
import sqlite3
from contextlib import closing

from estiva.db import repositories


def at_once(coroutine):
    """Run what must not wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def found(registry, name):
    return at_once(registry.db.row(repositories.FIND, name))


def add(registry, name):
    """Write as another process does: at once, and without this one's knowledge."""
    with closing(sqlite3.connect(registry.data / "estiva.db")) as connection, connection:
        connection.execute("INSERT INTO repositories (name, created_at) VALUES (?, 0)", (name,))


async def test_the_next_turn_sees_what_was_written(registry):
    assert registry.db.snapshot() is not None
    assert found(registry, "a") is None
    add(registry, "a")
    assert found(registry, "a") is None
    await asyncio.sleep(0)
    assert found(registry, "a") is not None


async def test_a_snapshot_tells_whether_anything_has_changed(registry):
    before = registry.db.snapshot()
    await asyncio.sleep(0)
    assert registry.db.snapshot() == before
    await asyncio.sleep(0)
    add(registry, "a")
    assert registry.db.snapshot() != before


async def test_what_this_process_writes_is_a_change(registry):
    before = registry.db.snapshot()
    await registry.db.note(repositories.ensure, "a", 0)
    assert registry.db.snapshot() != before


async def test_each_request_of_another_time_begins_a_new_one(registry):
    """asyncio's clock never stands still, unlike uvloop's within a turn."""
    assert registry.db.snapshot() is not None
    assert found(registry, "a") is None
    add(registry, "a")
    assert registry.db.snapshot() is not None
    assert found(registry, "a") is not None


async def test_without_one_each_row_is_the_newest(registry):
    assert found(registry, "a") is None
    add(registry, "a")
    assert found(registry, "a") is not None


async def test_a_database_that_is_closed_gives_none(registry):
    await registry.db.close()
    assert registry.db.snapshot() is None
