# SPDX-License-Identifier: Apache-2.0
"""Pulls are counted in memory, within bounds, and written in batches."""

import asyncio
import threading

import pytest

from estiva.content import statistics
from estiva.content.statistics import Statistics
from estiva.db import manifests, repositories, tags
from estiva.db.manifests import NewManifest
from estiva.db.schema import manifest_statistics, repository_statistics, tag_statistics
from harness.databases import prepared
from harness.server import Clock

A = f"sha256:{'a' * 64}"


@pytest.fixture
async def database(tmp_path):
    opened = await prepared(tmp_path / "estiva.db")
    await opened.write(fill)
    yield opened
    await opened.close()


def fill(conn):
    """Make the repository 1, with one manifest under the tag v1."""
    repository_id = repositories.ensure(conn, "r", 1)
    manifest = NewManifest(
        repository_id=repository_id,
        digest=A,
        media_type="application/vnd.oci.image.manifest.v1+json",
        artifact_type=None,
        subject=None,
        size=2,
        annotations="{}",
        created_at=1,
        content=b"{}",
    )
    manifests.insert(conn, manifest)
    tags.put(conn, repository_id, "v1", A, 1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def counting(database, clock):
    return Statistics(database, clock)


async def rows(database, table):
    return await database.read(lambda conn: [tuple(row) for row in conn.execute(table.select())])


async def test_nothing_is_written_before_the_time(database, counting):
    counting.pulled(1, A, "v1")
    counting.sent(1, 2)
    for table in (repository_statistics, manifest_statistics, tag_statistics):
        assert await rows(database, table) == []


async def test_what_was_counted_is_written_once(database, counting, clock):
    counting.pulled(1, A, "v1")
    clock.advance(3)
    counting.pulled(1, A, "v1")
    counting.pulled(1, A, None)
    counting.sent(1, 2)
    counting.sent(1, 40)
    for _ in range(2):
        assert await counting.flush()
    assert await rows(database, repository_statistics) == [(1, 3, 42, clock())]
    assert await rows(database, manifest_statistics) == [(1, A, 3, clock())]
    assert await rows(database, tag_statistics) == [(1, "v1", 2, clock())]


async def test_two_workers_add_to_the_same_counts(database, clock):
    workers = [Statistics(database, clock) for _ in range(2)]
    for worker in workers:
        worker.pulled(1, A, "v1")
    await asyncio.gather(*(worker.flush() for worker in workers))
    assert await rows(database, tag_statistics) == [(1, "v1", 2, clock())]


async def test_counts_of_what_is_gone_hurt_nothing(database, counting, clock):
    counting.pulled(7, A, "v1")
    counting.pulled(1, A, "v1")
    assert await counting.flush()
    assert await rows(database, repository_statistics) == [(1, 1, 0, clock())]


async def test_memory_is_bounded_and_what_is_known_goes_on_counting(database, counting, clock):
    counting.pulled(1, A, "v1")
    for number in range(2 * statistics.MOST):
        counting.pulled(1, A, f"x{number}")
    assert len(counting._counts) == statistics.MOST
    counting.pulled(1, A, "v1")
    await counting.flush()
    assert await rows(database, tag_statistics) == [(1, "v1", 2, clock())]


async def test_a_database_that_refuses_gets_the_counts_the_next_time(database, clock, tmp_path):
    other = await prepared(tmp_path / "estiva.db")
    counting = Statistics(other, clock)
    counting.pulled(1, A, "v1")
    await other.close()
    assert not await counting.flush()
    counting.pulled(1, A, "v1")
    counting._db = database
    assert await counting.flush()
    assert await rows(database, tag_statistics) == [(1, "v1", 2, clock())]


async def test_a_fault_of_ours_is_logged_and_counting_goes_on(database, counting, clock):
    counting.pulled(1, A, None)
    counting._counts[1, A, None][0] = "many"
    assert not await counting.flush()
    counting.pulled(1, A, None)
    assert await counting.flush()
    assert await rows(database, manifest_statistics) == [(1, A, 1, clock())]


async def test_what_is_counted_while_others_write_and_until_the_end_is_written(database, counting, clock, monkeypatch):
    monkeypatch.setattr(statistics, "EVERY", 0.01)
    held = threading.Event()
    blocking = asyncio.create_task(database.write(lambda conn: held.wait(30)))
    async with counting.running():
        counting.pulled(1, A, "v1")
        while not counting._flushing.locked():
            await asyncio.sleep(0)
        counting.pulled(1, A, "v1")
        held.set()
    await blocking
    assert await rows(database, tag_statistics) == [(1, "v1", 2, clock())]


async def test_many_different_things_are_written_before_the_time(database, counting):
    async with counting.running():
        for number in range(statistics.PRESSING):
            counting.pulled(1, A, f"x{number}")
        while await rows(database, manifest_statistics) == []:
            await asyncio.sleep(0)
    assert (await rows(database, manifest_statistics))[0][2] == statistics.PRESSING
