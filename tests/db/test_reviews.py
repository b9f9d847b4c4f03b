# SPDX-License-Identifier: Apache-2.0
"""Invariants 4 and 6: what is unreferenced carries a review, what is referenced carries none. On both databases."""

import pytest

from db.rows import LATER, TERM, A, B, C, D, digest, make_blob, make_manifest, make_repository, review_of
from estiva.db import blobs, links, manifests, reviews, schema, tags


@pytest.fixture
async def r(database):
    """The id of a repository."""
    return await database.write(make_repository)


@pytest.fixture
def link_review(database):
    return lambda wanted: database.read(review_of, schema.links, wanted)


@pytest.fixture
def manifest_review(database):
    return lambda wanted: database.read(review_of, schema.manifests, wanted)


def untag(conn, repository_id, name):
    wanted = tags.lock(conn, repository_id, [name])[name]
    manifests.lock(conn, repository_id, [wanted])
    tags.delete(conn, repository_id, name)
    reviews.settle(conn, repository_id, [wanted], LATER)


def remove(conn, repository_id, wanted, children=()):
    links.lock(conn, repository_id, children)
    manifests.lock(conn, repository_id, [wanted, *children])
    manifests.delete(conn, manifests.get_id(conn, repository_id, wanted))
    reviews.settle(conn, repository_id, children, LATER)
    reviews.settle_referrers(conn, repository_id, wanted, LATER)


async def test_a_blob_that_arrives_is_unreferenced(database, r, link_review):
    await database.write(make_blob, r, A)
    assert await link_review(A) == LATER


async def test_a_blob_is_referenced_by_a_manifest_of_its_repository_alone(database, r, link_review):
    other = await database.write(make_repository, "other")
    await database.write(make_blob, r, A)
    await database.write(make_manifest, other, B, needs=[A])
    assert await link_review(A) == LATER
    await database.write(make_manifest, r, B, needs=[A])
    assert await link_review(A) is None


async def test_a_blob_that_was_missing_attaches_when_it_comes(database, r, link_review):
    await database.write(make_manifest, r, B, needs=[A])
    await database.write(make_blob, r, A)
    assert await link_review(A) is None


async def test_the_last_of_several_manifests_lets_a_blob_go(database, r, link_review):
    await database.write(make_blob, r, A)
    for parent in (B, C):
        await database.write(make_manifest, r, parent, needs=[A])
    await database.write(remove, r, B, [A])
    assert await link_review(A) is None
    await database.write(remove, r, C, [A])
    assert await link_review(A) == LATER


async def test_a_manifest_is_referenced_while_a_tag_points_to_it(database, r, manifest_review):
    await database.write(make_manifest, r, A)
    assert await manifest_review(A) == LATER
    await database.write(make_manifest, r, A, tag="v1")
    await database.write(make_manifest, r, A, tag="v2")
    assert await manifest_review(A) is None
    await database.write(untag, r, "v1")
    assert await manifest_review(A) is None
    await database.write(untag, r, "v2")
    assert await manifest_review(A) == LATER


async def test_a_manifest_that_loses_its_tag_to_another_is_let_go(database, r, manifest_review):
    await database.write(make_manifest, r, A, tag="v1")
    await database.write(make_manifest, r, B, tag="v1")
    assert (await manifest_review(A), await manifest_review(B)) == (LATER, None)


async def test_a_manifest_is_referenced_while_an_index_lists_it(database, r, manifest_review):
    await database.write(make_manifest, r, A)
    await database.write(make_manifest, r, B, needs=[A])
    assert (await manifest_review(A), await manifest_review(B)) == (None, LATER)
    await database.write(remove, r, B, [A])
    assert await manifest_review(A) == LATER


async def test_a_blob_that_an_index_lists_is_referenced(database, r, link_review):
    """BuildKit's caches are indexes of blobs."""
    await database.write(make_blob, r, A)
    await database.write(make_manifest, r, B, needs=[A])
    assert await link_review(A) is None


async def test_a_referrer_lives_with_its_subject(database, r, manifest_review):
    await database.write(make_manifest, r, A, tag="v1")
    await database.write(make_manifest, r, B, subject=A)
    await database.write(make_manifest, r, C, subject=B)
    assert (await manifest_review(B), await manifest_review(C)) == (None, None)
    await database.write(untag, r, "v1")
    assert (await manifest_review(A), await manifest_review(B), await manifest_review(C)) == (LATER, None, None)
    await database.write(remove, r, A)
    assert (await manifest_review(B), await manifest_review(C)) == (LATER, None)


async def test_a_referrer_without_its_subject_is_unreferenced_until_that_comes(database, r, manifest_review):
    other = await database.write(make_repository, "other")
    await database.write(make_manifest, r, B, subject=A)
    await database.write(make_manifest, other, A)
    assert await manifest_review(B) == LATER
    await database.write(make_manifest, r, A)
    assert await manifest_review(B) is None


async def test_a_tagged_referrer_outlives_its_subject(database, r, manifest_review):
    await database.write(make_manifest, r, A)
    await database.write(make_manifest, r, B, subject=A, tag="v1")
    await database.write(remove, r, A)
    assert await manifest_review(B) is None


async def test_a_blob_lives_while_any_repository_shows_it(database, r):
    other = await database.write(make_repository, "other")

    def unlink(conn, repository_id):
        links.lock(conn, repository_id, [A])
        links.delete(conn, repository_id, A)
        reviews.settle_blob(conn, A, LATER)
        return blobs.get(conn, A).review_at

    await database.write(make_blob, r, A)
    await database.write(make_blob, other, A)
    assert (await database.read(blobs.get, A)).review_at is None
    assert await database.write(unlink, r) is None
    assert await database.write(unlink, other) == LATER
    await database.write(make_blob, other, A)
    assert (await database.read(blobs.get, A)).review_at is None


async def test_settling_again_does_not_put_off_a_review(database, r, link_review, manifest_review):
    await database.write(make_blob, r, A)
    await database.write(make_manifest, r, B)
    await database.write(reviews.settle, r, [A, B], LATER + TERM)
    assert (await link_review(A), await manifest_review(B)) == (LATER, LATER)


async def test_a_review_is_put_off_only_where_there_is_one_and_never_back(database, r, link_review, manifest_review):
    for wanted in (A, B):
        await database.write(make_blob, r, wanted)
        await database.write(make_manifest, r, wanted)
    await database.write(make_manifest, r, C, needs=[B])
    for wanted in (A, B):
        for at in (LATER + TERM, LATER):
            await database.write(reviews.postpone_link, r, wanted, at)
            await database.write(reviews.postpone_manifest, r, wanted, at)
    assert (await link_review(A), await manifest_review(A)) == (LATER + TERM, LATER + TERM)
    assert (await link_review(B), await manifest_review(B)) == (None, None)


async def test_a_manifest_of_thousands_is_settled_whole(database, r):
    children = [digest(number) for number in range(1100)]

    def fill(conn):
        for child in children:
            make_blob(conn, r, child)
        make_manifest(conn, r, D, needs=children)
        return {row.review_at for row in conn.execute(schema.links.select())}

    assert await database.write(fill) == {None}
    await database.write(remove, r, D, children)
    left = await database.read(lambda conn: {row.review_at for row in conn.execute(schema.links.select())})
    assert left == {LATER}
