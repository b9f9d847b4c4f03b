# SPDX-License-Identifier: Apache-2.0
"""The functions of repositories, blobs, links, manifests, references and tags, on both databases."""

from dataclasses import replace

import pytest

from db.rows import (
    LATER,
    NOW,
    A,
    B,
    C,
    D,
    E,
    digest,
    find_repository,
    make_blob,
    make_manifest,
    make_repository,
    new_manifest,
    to,
)
from estiva.db import blobs, condemned, links, manifests, references, repositories, tags
from estiva.db.blobs import Blob
from estiva.db.schema import manifest_references


@pytest.fixture
async def r(database):
    """The id of a repository."""
    return await database.write(make_repository)


class TestRepositories:
    async def test_ensuring_twice_gives_one_repository(self, database):
        made = await database.write(repositories.ensure, "a/b", NOW)
        assert await database.write(repositories.ensure, "a/b", NOW + 1) == made
        assert await database.read(find_repository, "a/b") == made

    async def test_one_that_is_not_there_is_none(self, database):
        assert await database.read(find_repository, "a") is None

    async def test_an_id_is_never_given_twice(self, database):
        first = await database.write(repositories.ensure, "a", NOW)
        await database.write(lambda conn: conn.exec_driver_sql("DELETE FROM repositories"))
        assert await database.write(repositories.ensure, "a", NOW) > first

    async def test_the_catalog_lists_what_holds_a_manifest_in_ascii_order(self, database):
        await database.write(fill_catalog, ["b", "a-b", "a/b", "a_b", "a", "a0", "z"], empty=["aa"])
        assert await database.read(repositories.catalog, "", 10) == ["a", "a-b", "a/b", "a0", "a_b", "b", "z"]

    async def test_the_catalog_goes_on_after_a_name_whether_or_not_it_is_there(self, database):
        await database.write(fill_catalog, ["a", "b", "c", "d"])
        assert await database.read(repositories.catalog, "a", 2) == ["b", "c"]
        assert await database.read(repositories.catalog, "bb", 2) == ["c", "d"]
        assert await database.read(repositories.catalog, "d", 2) == []
        assert await database.read(repositories.catalog, "", 0) == []

    async def test_a_search_finds_the_equal_name_then_beginnings_then_the_rest(self, database):
        await database.write(fill_catalog, ["my/app", "app-b", "app", "app-a", "other"], empty=["app-empty"])
        assert await database.read(repositories.search, "APP", 10) == ["app", "app-a", "app-b", "my/app"]
        assert await database.read(repositories.search, "app", 2) == ["app", "app-a"]

    @pytest.mark.parametrize(
        ("text", "found"), [("a_b", ["a_b"]), ("%", []), ("\\", []), ("", ["a_b", "axb"]), ("'", []), ("é", [])]
    )
    async def test_a_search_takes_every_character_as_itself(self, database, text, found):
        await database.write(fill_catalog, ["a_b", "axb"])
        assert await database.read(repositories.search, text, 10) == found


def fill_catalog(conn, names, empty=()):
    for name in [*names, *empty]:
        make_repository(conn, name)
    for name in names:
        make_manifest(conn, repositories.ensure(conn, name, NOW), A)


class TestBlobs:
    async def test_a_digest_is_inserted_once(self, database):
        first = Blob(digest=A, size=1, key="00/1", created_at=NOW, review_at=LATER)
        second = Blob(digest=A, size=2, key="00/2", created_at=NOW, review_at=None)
        assert await database.write(blobs.insert, first)
        assert not await database.write(blobs.insert, second)
        assert await database.read(blobs.get, A) == first
        assert await database.write(blobs.lock, A) == first

    async def test_a_blob_may_get_other_bytes(self, database):
        first = Blob(digest=A, size=1, key="00/1", created_at=NOW, review_at=LATER)
        await database.write(blobs.insert, first)
        await database.write(blobs.replace_key, A, "00/2")
        assert await database.read(blobs.get, A) == replace(first, key="00/2")

    async def test_a_deleted_blob_is_gone(self, database):
        await database.write(blobs.insert, Blob(digest=A, size=1, key="00/1", created_at=NOW, review_at=None))
        await database.write(blobs.delete, A)
        assert await database.read(blobs.get, A) is None
        assert await database.write(blobs.lock, A) is None

    async def test_a_blob_may_be_larger_than_a_machine_word_of_32_bits(self, database):
        large = Blob(digest=A, size=2**40, key="00/1", created_at=2**42, review_at=2**43)
        await database.write(blobs.insert, large)
        assert await database.read(blobs.get, A) == large


class TestLinks:
    async def test_a_blob_shows_where_it_is_linked(self, database, r):
        other = await database.write(make_repository, "other")
        await database.write(make_blob, r, A)
        assert await database.read(links.exists_in, r, A)
        assert not await database.read(links.exists_in, other, A)
        assert await database.read(links.exists_anywhere, A)
        assert not await database.read(links.exists_anywhere, B)
        assert await database.row(blobs.LINKED, other, A) is None

    async def test_linking_and_unlinking_tell_whether_they_did_something(self, database, r):
        await database.write(make_blob, r, A)
        assert not await database.write(links.insert, r, A, NOW)
        assert await database.write(links.delete, r, A)
        assert not await database.write(links.delete, r, A)
        assert await database.write(links.insert, r, A, NOW)

    async def test_locking_tells_which_are_there(self, database, r):
        other = await database.write(make_repository, "other")
        await database.write(make_blob, r, A)
        await database.write(make_blob, other, B)
        assert await database.write(links.lock, r, [C, B, A, A]) == {A}
        assert await database.write(links.lock, r, []) == set()

    async def test_thousands_of_digests_are_locked_at_once(self, database, r):
        wanted = [digest(number) for number in range(1700)]
        await database.write(lambda conn: [make_blob(conn, r, one) for one in wanted[:1200]])
        assert await database.write(links.lock, r, wanted) == set(wanted[:1200])


class TestManifests:
    async def test_bytes_come_back_as_they_were(self, database, r):
        content = bytes(range(256)) * 1000
        manifest_id = await database.write(manifests.insert, new_manifest(r, A, content=content))
        assert await database.read(manifests.get_id, r, A) == manifest_id
        row = await database.row(manifests.BY_DIGEST, r, A)
        assert row == (A, "application/vnd.oci.image.manifest.v1+json", len(content), content, None)

    async def test_one_that_is_there_is_not_inserted_again(self, database, r):
        other = await database.write(make_repository, "other")
        assert await database.write(manifests.insert, new_manifest(r, A)) is not None
        assert await database.write(manifests.insert, new_manifest(r, A, content=b"[]")) is None
        assert (await database.row(manifests.BY_DIGEST, r, A))[3] == b"{}"
        assert await database.write(manifests.insert, new_manifest(other, A)) is not None

    async def test_a_deleted_manifest_takes_its_references_along(self, database, r):
        await database.write(make_manifest, r, A, needs=[C, B])
        manifest_id = await database.read(manifests.get_id, r, A)
        assert await database.read(references.digests_of, manifest_id) == [B, C]
        await database.write(manifests.delete, manifest_id)
        assert await database.read(manifests.get_id, r, A) is None
        left = await database.read(lambda conn: conn.execute(manifest_references.select()).all())
        assert left == []

    async def test_references_keep_what_they_are_for(self, database, r):
        manifest_id = await database.write(manifests.insert, new_manifest(r, A))
        await database.write(references.insert, manifest_id, r, to(B))
        await database.write(references.insert, manifest_id, r, [])
        left = await database.read(lambda conn: conn.execute(manifest_references.select()).all())
        assert left == [(manifest_id, r, B, "layer", 1)]

    async def test_those_who_need_a_digest_are_named_with_their_tags(self, database, r):
        other = await database.write(make_repository, "other")
        await database.write(make_manifest, r, B, needs=[A], tag="v2")
        await database.write(make_manifest, r, B, needs=[A], tag="v1")
        await database.write(make_manifest, r, C, needs=[A, D])
        await database.write(make_manifest, other, E, needs=[A])
        assert await database.read(manifests.needed_by, r, A, 10) == [(B, ["v1", "v2"]), (C, [])]
        assert await database.read(manifests.needed_by, r, A, 1) == [(B, ["v1", "v2"])]
        assert await database.read(manifests.needed_by, r, E, 10) == []

    async def test_a_tag_shows_the_manifest_it_points_to(self, database, r):
        await database.write(make_manifest, r, A, tag="v1")
        await database.write(make_manifest, r, B, tag="v1")
        assert (await database.row(manifests.BY_TAG, r, "v1"))[0] == B
        assert await database.row(manifests.BY_TAG, r, "V1") is None
        assert await database.row(manifests.BY_TAG, r + 1, "v1") is None


class TestReferrers:
    @pytest.fixture
    async def r(self, database):
        """The id of a repository where B to E name A as their subject, of two types."""

        def fill(conn):
            repository_id = make_repository(conn)
            for wanted, kind in ((E, "x"), (D, None), (C, "x"), (B, "y")):
                manifests.insert(conn, new_manifest(repository_id, wanted, subject=A, artifact_type=kind))
            return repository_id

        return await database.write(fill)

    async def test_they_are_listed_by_digest_page_by_page(self, database, r):
        found = await database.read(manifests.referrers, r, A, None, after="", limit=3)
        assert [one.digest for one in found] == [B, C, D]
        found = await database.read(manifests.referrers, r, A, None, after=D, limit=3)
        assert [one.digest for one in found] == [E]

    async def test_they_are_listed_by_type(self, database, r):
        found = await database.read(manifests.referrers, r, A, "x", after="", limit=9)
        assert [(one.digest, one.artifact_type) for one in found] == [(C, "x"), (E, "x")]
        assert found[0].annotations == '{"a":"é"}'
        assert found[0].size == 2

    async def test_those_of_another_subject_or_repository_are_not_listed(self, database, r):
        assert await database.read(manifests.referrers, r, B, None, after="", limit=9) == []
        assert await database.read(manifests.referrers, r + 1, A, None, after="", limit=9) == []
        assert await database.read(manifests.digests_of_referrers, r, A) == [B, C, D, E]


class TestTags:
    @pytest.fixture
    async def r(self, database):
        """The id of a repository with the manifests A and B and a few tags on them."""

        def fill(conn):
            repository_id = make_repository(conn)
            make_manifest(conn, repository_id, A)
            make_manifest(conn, repository_id, B)
            for name, wanted in (("b", A), ("a", A), ("B", B), ("_", A), ("1", B), ("1.0", B), ("1-0", A)):
                tags.put(conn, repository_id, name, wanted, NOW)
            return repository_id

        return await database.write(fill)

    async def test_they_are_listed_in_ascii_order_page_by_page(self, database, r):
        assert await database.read(tags.page, r, "", 9) == ["1", "1-0", "1.0", "B", "_", "a", "b"]
        assert await database.read(tags.page, r, "1.0", 2) == ["B", "_"]
        assert await database.read(tags.page, r, "C", 2) == ["_", "a"]
        assert await database.read(tags.page, r, "b", 2) == []
        assert await database.read(tags.page, r, "", 0) == []

    async def test_a_tag_moves(self, database, r):
        await database.write(tags.put, r, "a", B, NOW)
        assert await database.write(tags.lock, r, ["a", "c"]) == {"a": B}

    async def test_locking_tells_where_they_point(self, database, r):
        assert await database.write(tags.lock, r, ["b", "B", "c"]) == {"b": A, "B": B}
        assert await database.write(tags.lock, r, []) == {}

    async def test_deleting_tells_whether_there_was_one(self, database, r):
        assert await database.write(tags.delete, r, "a")
        assert not await database.write(tags.delete, r, "a")

    async def test_all_tags_on_a_manifest_are_deleted(self, database, r):
        assert await database.write(tags.delete_of_manifest, r, A) == ["1-0", "_", "a", "b"]
        assert await database.read(tags.page, r, "", 9) == ["1", "1.0", "B"]

    async def test_a_manifest_with_a_tag_cannot_be_deleted(self, database, r):
        manifest_id = await database.read(manifests.get_id, r, A)
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            await database.write(manifests.delete, manifest_id)


class TestCondemnedObjects:
    async def test_they_are_due_from_their_time_on_the_oldest_first(self, database):
        for key, delete_at in (("00/c", NOW), ("00/a", NOW + 2), ("00/b", NOW + 1)):
            await database.write(condemned.insert, key, delete_at)
        assert await database.read(condemned.due, NOW + 1, 9) == ["00/c", "00/b"]
        assert await database.read(condemned.due, NOW + 2, 1) == ["00/c"]

    async def test_they_are_forgotten(self, database):
        keys = [f"00/{number}" for number in range(1200)]
        await database.write(lambda conn: [condemned.insert(conn, key, NOW) for key in keys])
        await database.write(condemned.delete, keys[1:])
        await database.write(condemned.delete, [])
        assert await database.read(condemned.due, NOW, 9) == keys[:1]
