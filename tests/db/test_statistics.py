# SPDX-License-Identifier: Apache-2.0
"""Counts of pulls in the database: added up, also by several at once, and gone with what they are about."""

import asyncio

import pytest

from db.rows import NOW, A, B, make_manifest, make_repository
from estiva.db import manifests, tags
from estiva.db.schema import manifest_statistics, repositories, repository_statistics, tag_statistics
from estiva.db.statistics import Count, add_counts
from harness.databases import prepared


@pytest.fixture
async def r(database):
    """The id of a repository with the manifests A, under the tags v1 and v2, and B, under none."""

    def fill(conn):
        repository_id = make_repository(conn)
        make_manifest(conn, repository_id, A, tag="v1")
        make_manifest(conn, repository_id, A, tag="v2")
        make_manifest(conn, repository_id, B)
        return repository_id

    return await database.write(fill)


def pulled(repository_id, digest, tag=None, pulls=1, at=NOW):
    return Count(repository_id=repository_id, digest=digest, tag=tag, pulls=pulls, bytes_sent=0, last_pulled_at=at)


def sent(repository_id, count):
    return Count(repository_id=repository_id, digest=None, tag=None, pulls=0, bytes_sent=count, last_pulled_at=0)


async def rows(database, table):
    return await database.read(lambda conn: {tuple(row) for row in conn.execute(table.select())})


async def test_pulls_count_for_the_tag_the_manifest_and_the_repository(database, r):
    counts = [pulled(r, A, "v1", 2), pulled(r, A, "v2", 3), pulled(r, A, None, 4), pulled(r, B), sent(r, 100)]
    await database.note(add_counts, counts)
    assert await rows(database, tag_statistics) == {(r, "v1", 2, NOW), (r, "v2", 3, NOW)}
    assert await rows(database, manifest_statistics) == {(r, A, 9, NOW), (r, B, 1, NOW)}
    assert await rows(database, repository_statistics) == {(r, 10, 100, NOW)}


async def test_counts_are_added_and_the_last_time_is_the_latest(database, r):
    for at in (NOW + 5, NOW + 9, NOW + 7):
        await database.note(add_counts, [pulled(r, A, "v1", 2, at), sent(r, 50)])
    assert await rows(database, tag_statistics) == {(r, "v1", 6, NOW + 9)}
    assert await rows(database, manifest_statistics) == {(r, A, 6, NOW + 9)}
    assert await rows(database, repository_statistics) == {(r, 6, 150, NOW + 9)}


async def test_several_who_count_at_once_lose_nothing(location, database, r):
    others = [await prepared(location) for _ in range(3)]
    counts = [pulled(r, B), pulled(r, A, "v2"), pulled(r, A, "v1"), sent(r, 10)]
    await asyncio.gather(*(one.note(add_counts, counts[:: 1 - 2 * (n % 2)]) for n in range(20) for one in others))
    assert await rows(database, repository_statistics) == {(r, 180, 600, NOW)}
    assert await rows(database, manifest_statistics) == {(r, A, 120, NOW), (r, B, 60, NOW)}
    for one in others:
        await one.close()


async def test_what_is_gone_is_passed_over(database, r):
    await database.note(add_counts, [pulled(r + 1, A, "v1"), sent(r + 1, 5), pulled(r, A, "none"), pulled(r, A)])
    assert await rows(database, tag_statistics) == set()
    assert await rows(database, manifest_statistics) == {(r, A, 2, NOW)}
    assert await rows(database, repository_statistics) == {(r, 2, 0, NOW)}


async def test_counts_go_with_the_tag_the_manifest_and_the_repository(database, r):
    await database.note(add_counts, [pulled(r, A, "v1"), pulled(r, A, "v2")])

    await database.write(tags.delete, r, "v1")
    assert await rows(database, tag_statistics) == {(r, "v2", 1, NOW)}

    def delete_all(conn):
        tags.delete(conn, r, "v2")
        for digest in (A, B):
            manifests.delete(conn, manifests.get_id(conn, r, digest))
        conn.execute(repositories.delete())

    await database.write(delete_all)
    for table in (tag_statistics, manifest_statistics, repository_statistics):
        assert await rows(database, table) == set()


async def test_a_tag_that_moves_keeps_its_count(database, r):
    await database.note(add_counts, [pulled(r, A, "v1")])
    await database.write(tags.put, r, "v1", B, NOW)
    assert await rows(database, tag_statistics) == {(r, "v1", 1, NOW)}


async def test_nothing_is_added_for_nothing(database):
    await database.note(add_counts, [])
    assert await rows(database, repository_statistics) == set()


async def test_counting_and_deleting_at_once_leave_no_count_of_what_is_gone(location, database, r):
    """Lock, then look: the owner of a new row must not go between the look at it and the row."""
    other = await prepared(location)
    for number in range(20):
        await database.write(make_manifest, r, A, tag=f"t{number}")
        await asyncio.gather(
            other.note(add_counts, [pulled(r, A, f"t{number}")]), database.write(tags.delete, r, f"t{number}")
        )
    assert await rows(database, tag_statistics) == set()
    await other.close()
