# SPDX-License-Identifier: Apache-2.0
"""Condemning: whose term is over and to whom nobody refers goes, and lets go of what it held. On both databases."""

import pytest

from db.rows import LATER, NOW, TERM, A, B, C, D, digests_in, make_blob, make_manifest, make_repository, review_of
from estiva.db import blobs, condemned, links, manifests, schema
from estiva.db.condemn import condemn_blob, condemn_link, condemn_manifest

NEXT = LATER + TERM


@pytest.fixture
async def r(database):
    """The id of a repository."""
    return await database.write(make_repository)


async def test_nothing_goes_before_its_term_is_over(database, r):
    await database.write(make_blob, r, A)
    await database.write(make_manifest, r, B)
    await database.write(links.delete, r, A)
    await database.write(make_blob, r, A)
    assert not await database.write(condemn_link, r, A, LATER - 1, NEXT)
    assert not await database.write(condemn_manifest, r, B, LATER - 1, NEXT)
    assert await database.write(condemn_link, r, A, LATER, NEXT)
    assert not await database.write(condemn_blob, A, NEXT - 1, NEXT)


async def test_nothing_that_has_no_term_goes(database, r):
    await database.write(make_blob, r, A)
    await database.write(make_manifest, r, B, needs=[A], tag="v1")
    for condemn in (condemn_link, condemn_manifest):
        for wanted in (A, B):
            assert not await database.write(condemn, r, wanted, NEXT, NEXT)
    assert not await database.write(condemn_blob, A, NEXT, NEXT)


async def test_what_is_not_there_cannot_be_condemned(database, r):
    assert not await database.write(condemn_link, r, A, NEXT, NEXT)
    assert not await database.write(condemn_manifest, r, A, NEXT, NEXT)
    assert not await database.write(condemn_blob, A, NEXT, NEXT)


async def test_a_condemned_link_lets_the_blob_go_and_a_condemned_blob_its_bytes(database, r):
    other = await database.write(make_repository, "other")
    key = await database.write(make_blob, r, A)
    await database.write(make_blob, other, A)
    assert await database.write(condemn_link, r, A, LATER, NEXT)
    assert (await database.read(blobs.get, A)).review_at is None
    assert await database.write(condemn_link, other, A, LATER, NEXT)
    assert (await database.read(blobs.get, A)).review_at == NEXT
    assert await database.write(condemn_blob, A, NEXT, NEXT + 5)
    assert await database.read(blobs.get, A) is None
    assert await database.read(condemned.due, NEXT + 4, 9) == []
    assert await database.read(condemned.due, NEXT + 5, 9) == [key]


async def test_a_condemned_manifest_lets_its_children_and_referrers_go(database, r):
    await database.write(make_blob, r, A)
    await database.write(make_manifest, r, B)
    await database.write(make_manifest, r, C, needs=[A, B])
    await database.write(make_manifest, r, D, subject=C)
    assert await database.write(condemn_manifest, r, C, LATER, NEXT)
    assert await database.read(review_of, schema.links, A) == NEXT
    assert await database.read(review_of, schema.manifests, B) == NEXT
    assert await database.read(review_of, schema.manifests, D) == NEXT
    assert await database.read(manifests.get_id, r, C) is None
    assert await database.read(lambda conn: conn.execute(schema.manifest_references.select()).all()) == []


@pytest.mark.parametrize(
    ("table", "condemn"), [(schema.links, condemn_link), (schema.manifests, condemn_manifest)], ids=["link", "manifest"]
)
async def test_a_term_that_something_referenced_should_not_have_is_cleared(database, r, table, condemn):
    await database.write(make_blob, r, A)
    await database.write(make_manifest, r, A)
    await database.write(make_manifest, r, B, needs=[A])
    await database.write(lambda conn: conn.execute(table.update().values(review_at=LATER)))
    assert not await database.write(condemn, r, A, LATER, NEXT)
    assert A in await database.read(digests_in, table)
    review = await database.read(lambda conn: conn.execute(table.select().where(table.c.digest == A)).one().review_at)
    assert review is None


async def test_a_term_that_a_blob_should_not_have_is_cleared(database, r):
    await database.write(make_blob, r, A)
    await database.write(lambda conn: conn.execute(schema.blobs.update().values(review_at=NOW)))
    assert not await database.write(condemn_blob, A, NOW, NEXT)
    assert (await database.read(blobs.get, A)).review_at is None
