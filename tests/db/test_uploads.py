# SPDX-License-Identifier: Apache-2.0
"""Upload sessions and their leases, on both databases."""

import pytest

from db.rows import LATER, NOW, make_repository, new_upload
from estiva.db import uploads

SOON = NOW + 10


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
