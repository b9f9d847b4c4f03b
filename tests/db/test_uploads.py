# SPDX-License-Identifier: Apache-2.0
"""Upload sessions and their leases, on both databases."""

import asyncio
from dataclasses import replace

import pytest

from db.rows import LATER, NOW, A, B, make_blob, make_repository, new_upload
from estiva.content.commit import commit_idle
from estiva.content.terms import Moment
from estiva.db import blobs, uploads

SOON = NOW + 10
MOMENT = Moment(now=NOW, review_at=LATER, delete_at=LATER)


@pytest.fixture
async def session(database):
    """A new session."""
    upload = new_upload(await database.write(make_repository))
    await database.write(uploads.insert, upload)
    return upload


async def test_a_session_is_found_in_its_repository_alone(database, session):
    assert await database.read(uploads.get, session.repository_id, session.id) == session
    assert await database.read(uploads.get, session.repository_id + 1, session.id) is None
    assert await database.read(uploads.get, session.repository_id, "other") is None


async def test_one_request_at_a_time_has_the_lease(database, session):
    assert await database.write(uploads.lease, session.id, "mine", NOW, SOON)
    assert not await database.write(uploads.lease, session.id, "yours", NOW + 1, SOON + 1)
    assert not await database.write(uploads.lease, "other", "mine", NOW, SOON)


async def test_a_lease_that_has_run_out_is_free(database, session):
    await database.write(uploads.lease, session.id, "mine", NOW, SOON)
    assert await database.write(uploads.lease, session.id, "yours", SOON, SOON + 9)
    assert not await database.write(uploads.renew, session.id, "mine", SOON + 9)


async def test_a_lease_that_is_renewed_holds_longer(database, session):
    await database.write(uploads.lease, session.id, "mine", NOW, SOON)
    assert await database.write(uploads.renew, session.id, "mine", SOON + 9)
    assert not await database.write(uploads.lease, session.id, "yours", SOON, SOON + 9)


async def test_progress_is_written_by_the_holder_and_frees_the_session(database, session):
    await database.write(uploads.lease, session.id, "mine", NOW, SOON)
    assert await database.write(uploads.progress, session.id, "mine", 2**33, hashed="ab", expires_at=LATER + 1)
    found = await database.read(uploads.get, session.repository_id, session.id)
    assert (found.size, found.hashed, found.expires_at) == (2**33, "ab", LATER + 1)
    assert (found.lease, found.lease_until) == (None, None)
    assert await database.write(uploads.lease, session.id, "yours", NOW, SOON)


async def test_progress_may_forget_the_digest(database, session):
    await database.write(uploads.lease, session.id, "mine", NOW, SOON)
    assert await database.write(uploads.progress, session.id, "mine", 5, hashed=None, expires_at=LATER)
    assert (await database.read(uploads.get, session.repository_id, session.id)).hashed is None


async def test_whoever_lost_the_lease_changes_nothing(database, session):
    await database.write(uploads.lease, session.id, "mine", NOW, SOON)
    await database.write(uploads.lease, session.id, "yours", SOON, SOON + 9)
    before = await database.read(uploads.get, session.repository_id, session.id)
    assert not await database.write(uploads.progress, session.id, "mine", 5, hashed=None, expires_at=LATER)
    await database.write(uploads.release, session.id, "mine")
    assert await database.read(uploads.get, session.repository_id, session.id) == before


async def test_a_released_session_is_free(database, session):
    await database.write(uploads.lease, session.id, "mine", NOW, SOON)
    await database.write(uploads.release, session.id, "mine")
    assert await database.read(uploads.get, session.repository_id, session.id) == session


async def test_deleting_tells_where_the_bytes_are(database, session):
    assert await database.write(uploads.delete, session.id) == session.key
    assert await database.write(uploads.delete, session.id) is None


async def test_what_has_expired_is_listed_unless_somebody_is_writing(database, session):
    held = new_upload(session.repository_id, expires_at=NOW, lease="mine", lease_until=LATER + 1)
    lost = new_upload(session.repository_id, expires_at=NOW + 1, lease="mine", lease_until=NOW)
    for upload in (held, lost):
        await database.write(uploads.insert, upload)
    assert await database.read(uploads.expired, LATER - 1, 9) == [lost]
    assert await database.read(uploads.expired, LATER, 9) == [lost, session]
    assert await database.read(uploads.expired, LATER, 1) == [lost]
    assert await database.read(uploads.expired, LATER + 1, 9) == [held, lost, session]


async def test_all_leases_are_cleared_at_once(database, session):
    await database.write(uploads.lease, session.id, "mine", NOW, SOON)
    await database.write(uploads.clear_leases)
    assert await database.read(uploads.get, session.repository_id, session.id) == session


class TestIdleSessions:
    """A session that nobody writes to becomes a blob in one transaction, without a lease."""

    @pytest.fixture
    async def session(self, database):
        """A session with seven bytes."""
        upload = new_upload(await database.write(make_repository), size=7, hashed="ab")
        await database.write(uploads.insert, upload)
        return upload

    async def exists(self, database, session):
        return await database.read(uploads.get, session.repository_id, session.id) is not None

    async def test_it_is_a_blob_and_no_session_then(self, database, session):
        assert await database.write(commit_idle, session, A, MOMENT)
        assert (await database.row(blobs.LINKED, session.repository_id, A))[:3] == (A, 7, session.key)
        assert not await self.exists(database, session)
        assert not await database.write(commit_idle, session, A, MOMENT)

    async def test_one_that_is_being_written_to_is_left_alone(self, database, session):
        await database.write(uploads.lease, session.id, "mine", NOW, SOON)
        assert not await database.write(commit_idle, session, A, MOMENT)
        assert await database.row(blobs.LINKED, session.repository_id, A) is None
        assert await database.write(uploads.renew, session.id, "mine", SOON)

    async def test_one_that_has_gone_on_since_is_left_alone(self, database, session):
        assert not await database.write(commit_idle, replace(session, size=5), A, MOMENT)
        assert await self.exists(database, session)

    async def test_one_that_has_expired_is_left_alone(self, database, session):
        late = replace(MOMENT, now=session.expires_at)
        assert not await database.write(commit_idle, session, A, late)
        assert await self.exists(database, session)

    async def test_when_the_blob_is_there_the_session_stays_as_it_was(self, database, session):
        key = await database.write(make_blob, session.repository_id, A)
        assert not await database.write(commit_idle, session, A, MOMENT)
        assert await database.read(uploads.get, session.repository_id, session.id) == session
        assert (await database.row(blobs.LINKED, session.repository_id, A))[2] == key

    async def test_of_two_who_finish_it_at_once_one_does(self, database, session):
        done = await asyncio.gather(*(database.write(commit_idle, session, one, MOMENT) for one in (A, B)))
        assert sorted(done) == [False, True]
