# SPDX-License-Identifier: Apache-2.0
"""Invariant 5 on two real PostgreSQL connections, one held at each of its statements while the other runs.

The transactions are those that the registry runs. Whatever the order, what a manifest needs is there, what is
unreferenced carries a review, and every object is either somebody's or condemned.
"""

import itertools
import uuid

import pytest
from sqlalchemy import not_, select

from db.rows import LATER, NOW, TERM, A, B, C, D, digest, make_blob, make_manifest, new_upload
from db.stepping import ALL, Stepped
from estiva.content.blobs import _mount, _unlink
from estiva.content.commit import commit_known, commit_new
from estiva.content.push import Push, delete_manifest, push_manifest
from estiva.content.tags import _delete as delete_tag
from estiva.content.terms import Moment
from estiva.db import reviews, schema, uploads
from estiva.db.condemn import condemn_blob, condemn_link, condemn_manifest
from estiva.errors import EstivaError, ManifestReferenceUnknown
from estiva.oci.digests import Digest
from estiva.oci.manifests import Descriptor, Manifest, ManifestKind, Reference, Role
from estiva.options.content import ContentOptions

pytestmark = pytest.mark.postgresql
R, OTHER = 1, 2  # the repositories
AFTER = LATER + TERM
MOMENT = Moment(now=LATER, review_at=AFTER, delete_at=AFTER)


def push(conn, wanted, needs=(), tags=(), subject=None, **conditions):
    """Push a manifest as a client does."""
    manifest = Manifest(
        kind=ManifestKind.INDEX,
        media_type="application/vnd.oci.image.index.v1+json",
        artifact_type=None,
        subject=subject and Descriptor(media_type="", digest=Digest.parse(subject), size=2),
        references=tuple(Reference(digest=one, size=7, role=Role.MANIFEST, required=True) for one in needs),
        annotations={},
    )
    pushed = Push(digest=wanted, manifest=manifest, content=b"{}", tags=tags, **conditions)
    push_manifest(conn, R, pushed, ContentOptions(), MOMENT)


def upload(conn, repository_id, wanted):
    """Finish the upload of a blob."""
    made = new_upload(repository_id, lease="mine", lease_until=AFTER)
    uploads.insert(conn, made)
    if commit_new(conn, made, "mine", wanted, MOMENT):
        commit_known(conn, made, "mine", wanted, MOMENT, damaged=None)


def dangling(conn):
    """Return what manifests need and their repository does not have."""
    r = schema.manifest_references
    linked = schema.links.select().where(
        schema.links.c.repository_id == r.c.repository_id, schema.links.c.digest == r.c.digest
    )
    listed = schema.manifests.select().where(
        schema.manifests.c.repository_id == r.c.repository_id, schema.manifests.c.digest == r.c.digest
    )
    return conn.execute(select(r.c.digest).where(not_(linked.exists()), not_(listed.exists()))).all()


def forgotten(conn):
    """Return what is unreferenced and will never be looked at again."""
    found = []
    for table, referenced in (
        (schema.links, reviews.LINK_IS_REFERENCED),
        (schema.manifests, reviews.MANIFEST_IS_REFERENCED),
        (schema.blobs, reviews.BLOB_IS_REFERENCED),
    ):
        found += conn.execute(select(table.c.digest).where(table.c.review_at.is_(None), not_(referenced))).all()
    return found


def keys(conn):
    """Return the keys of the objects that rows know of, each as often as it is known."""
    tables = (schema.blobs, schema.uploads, schema.condemned_objects)
    return sorted(key for table in tables for key in conn.execute(select(table.c.key)).scalars())


@pytest.fixture
def both_ways(postgresql):
    """Run two transactions in every order, and hand over their results in each: `async for` of pairs.

    `arrange` makes the rows anew, in repositories 1 and 2, before each order. One is held after each number of its
    statements, the other runs as far as it gets; then either commits first.
    """

    async def run(arrange, first, second):
        # Turned round, two of a kind are what they were.
        turns = {False, first[0] is not second[0]}
        for turned, committing_first in itertools.product(turns, (False, True)):
            outer, inner = (second, first) if turned else (first, second)
            held, statements = 0, 1
            while held < statements:
                await postgresql.write(empty_all)
                await postgresql.write(arrange)
                one, other = Stepped(postgresql, *outer), Stepped(postgresql, *inner)
                await one.step(held)
                await other.step(ALL)
                for transaction in (other, one) if committing_first else (one, other):
                    await transaction.let_go()
                results = await one.result(), await other.result()
                statements = one.statements
                assert await postgresql.read(dangling) == []
                assert await postgresql.read(forgotten) == []
                known = await postgresql.read(keys)
                assert len(known) == len(set(known))
                yield results[::-1] if turned else results
                held += 1

    return run


def empty_all(conn):
    for table in reversed(schema.metadata.sorted_tables):
        conn.execute(table.delete())
    for number in (R, OTHER):
        conn.execute(schema.repositories.insert().values(id=number, name=f"r{number}", created_at=NOW))


async def every(results):
    """Return the different outcomes, an error by its class."""
    seen = [tuple(type(one) if isinstance(one, EstivaError) else one for one in pair) async for pair in results]
    assert len(seen) > 4
    return set(seen)


async def test_a_push_and_a_condemned_link(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)

    results = both_ways(arrange, (push, B, [A], ["v1"]), (condemn_link, R, A, LATER, AFTER))
    assert await every(results) == {(None, False), (ManifestReferenceUnknown, True)}


async def test_a_push_and_a_condemned_child(both_ways):
    def arrange(conn):
        make_manifest(conn, R, A)

    results = both_ways(arrange, (push, B, [A], ["v1"]), (condemn_manifest, R, A, LATER, AFTER))
    assert await every(results) == {(None, False), (ManifestReferenceUnknown, True)}


async def test_a_push_of_a_manifest_that_is_being_condemned(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)
        make_manifest(conn, R, B, needs=[A])

    results = both_ways(arrange, (push, B, [A], ["v1"]), (condemn_manifest, R, B, LATER, AFTER))
    assert await every(results) == {(None, False), (None, True)}


async def test_a_referrer_and_its_condemned_subject(both_ways):
    def arrange(conn):
        make_manifest(conn, R, A)

    results = both_ways(arrange, (push, B, [], [], A), (condemn_manifest, R, A, LATER, AFTER))
    assert await every(results) == {(None, True)}


async def test_two_condemned_manifests_that_share_all(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)
        make_manifest(conn, R, D)
        for parent in (B, C):
            make_manifest(conn, R, parent, needs=[A, D])

    results = both_ways(arrange, (condemn_manifest, R, B, LATER, AFTER), (condemn_manifest, R, C, LATER, AFTER))
    assert await every(results) == {(True, True)}


async def test_a_condemned_subject_and_its_condemned_referrer(both_ways):
    def arrange(conn):
        make_manifest(conn, R, B)
        make_manifest(conn, R, A, subject=B)

    results = both_ways(arrange, (condemn_manifest, R, B, LATER, AFTER), (condemn_manifest, R, A, LATER, AFTER))
    assert await every(results) == {(True, False)}


async def test_an_upload_and_a_condemned_blob(both_ways):
    def arrange(conn):
        make_blob(conn, OTHER, A)
        condemn_link(conn, OTHER, A, LATER, LATER)

    results = both_ways(arrange, (upload, R, A), (condemn_blob, A, LATER, AFTER))
    assert await every(results) == {(None, False), (None, True)}


async def test_an_upload_and_the_condemned_link_that_it_renews(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)

    results = both_ways(arrange, (upload, R, A), (condemn_link, R, A, LATER, AFTER))
    assert await every(results) == {(None, False), (None, True)}


async def test_two_uploads_of_one_blob_to_one_repository(both_ways):
    results = both_ways(lambda conn: None, (upload, R, A), (upload, R, A))
    assert await every(results) == {(None, None)}


async def test_two_uploads_of_one_blob_to_two_repositories(both_ways):
    results = both_ways(lambda conn: None, (upload, R, A), (upload, OTHER, A))
    assert await every(results) == {(None, None)}


async def test_a_mount_and_a_condemned_blob(both_ways):
    def arrange(conn):
        make_blob(conn, OTHER, A)
        conn.execute(schema.blobs.update().values(review_at=LATER))

    results = both_ways(arrange, (_mount, R, A, OTHER, MOMENT), (condemn_blob, A, LATER, AFTER))
    assert await every(results) == {(True, False)}


async def test_a_mount_and_the_condemned_link_it_is_from(both_ways):
    def arrange(conn):
        make_blob(conn, OTHER, A)

    results = both_ways(arrange, (_mount, R, A, OTHER, MOMENT), (condemn_link, OTHER, A, LATER, AFTER))
    assert await every(results) == {(True, True), (False, True)}


async def test_a_mount_and_the_condemned_link_that_it_renews(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)
        make_blob(conn, OTHER, A)

    results = both_ways(arrange, (_mount, R, A, OTHER, MOMENT), (condemn_link, R, A, LATER, AFTER))
    assert await every(results) == {(True, True), (True, False)}


async def test_the_last_two_links_of_a_blob(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)
        make_blob(conn, OTHER, A)

    results = both_ways(arrange, (_unlink, R, A, MOMENT), (_unlink, OTHER, A, MOMENT))
    assert await every(results) == {(None, None)}


async def test_the_last_two_tags_of_a_manifest(both_ways):
    def arrange(conn):
        for tag in ("v1", "v2"):
            make_manifest(conn, R, A, tag=tag)

    results = both_ways(arrange, (delete_tag, R, "v1", AFTER), (delete_tag, R, "v2", AFTER))
    assert await every(results) == {(None, None)}


async def test_two_manifests_for_one_new_tag(both_ways):
    """The one that loses the tag must not be forgotten."""
    results = both_ways(lambda conn: None, (push, A, [], ["v1"]), (push, B, [], ["v1"]))
    assert await every(results) == {(None, None)}


async def test_two_manifests_for_one_new_tag_on_condition_that_it_is_new(both_ways):
    def create(conn, wanted):
        push(conn, wanted, [], ["v1"], if_none_match="*")
        return wanted

    results = await every(both_ways(lambda conn: None, (create, A), (create, B)))
    assert {(A in pair, B in pair) for pair in results} == {(True, False), (False, True)}


async def test_two_pushes_of_one_manifest(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)

    results = both_ways(arrange, (push, B, [A], ["v1"]), (push, B, [A], ["v2"]))
    assert await every(results) == {(None, None)}


async def test_pushes_that_need_each_other_s_in_any_order(both_ways):
    wanted = [digest(number) for number in range(6)]

    def arrange(conn):
        for one in wanted:
            make_blob(conn, R, one)

    results = both_ways(arrange, (push, A, wanted, ["v1", "v2"]), (push, B, wanted[::-1], ["v2", "v1"]))
    assert await every(results) == {(None, None)}


async def test_two_deleted_manifests_that_share_all(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)
        for parent in (B, C):
            make_manifest(conn, R, parent, needs=[A], tag=uuid.uuid4().hex)

    results = both_ways(arrange, (delete_manifest, R, B, AFTER), (delete_manifest, R, C, AFTER))
    assert await every(results) == {(None, None)}


async def test_a_push_and_a_deleted_blob(both_ways):
    def arrange(conn):
        make_blob(conn, R, A)

    results = await every(both_ways(arrange, (push, B, [A], ["v1"]), (_unlink, R, A, MOMENT)))
    assert {pushed for pushed, _ in results} == {None, ManifestReferenceUnknown}
    assert (None, None) not in results


async def test_a_push_that_adds_a_tag_and_the_deleted_manifest(both_ways):
    def arrange(conn):
        make_manifest(conn, R, A, tag="v1")

    results = both_ways(arrange, (push, A, [], ["v2"]), (delete_manifest, R, A, AFTER))
    assert (None, None) in await every(results)


async def test_a_push_that_moves_the_last_tag_and_the_deleted_manifest(both_ways):
    def arrange(conn):
        make_manifest(conn, R, A, tag="v1")

    results = both_ways(arrange, (push, B, [], ["v1"]), (delete_manifest, R, A, AFTER))
    assert await every(results) == {(None, None)}
