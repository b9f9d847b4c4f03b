# SPDX-License-Identifier: Apache-2.0
"""The transactions of an upload session, each a plain function of a connection."""

from sqlalchemy import Connection

from estiva.content.lease import DURATION
from estiva.content.terms import Moment
from estiva.db import blobs, condemned, links, reviews, uploads
from estiva.db.blobs import Blob
from estiva.db.uploads import Upload
from estiva.errors import UploadOutOfOrder, UploadUnknown


def open_session(conn: Connection, repository_id: int, session: str, token: str, now: int) -> Upload:
    """Return the session with its lease taken. Raises UploadUnknown, or UploadOutOfOrder while somebody else has it.

    Lock, then look (invariant 5): read before, the row could be that of a moment when another request still had it.
    """
    leased = uploads.lease(conn, session, token, now, now + DURATION)
    upload = _find(conn, repository_id, session, now)
    if not leased:
        raise UploadOutOfOrder("another client is writing to this upload", offset=upload.size)
    return upload


def find_session(conn: Connection, repository_id: int, session: str, now: int) -> int:
    """Return how many bytes of the session are kept. Raises UploadUnknown."""
    return _find(conn, repository_id, session, now).size


def _find(conn: Connection, repository_id: int, session: str, now: int) -> Upload:
    upload = uploads.get(conn, repository_id, session)
    if upload is None or upload.expires_at <= now:
        raise UploadUnknown("this upload is unknown: finished, cancelled or expired; begin a new one")
    return upload


def commit_idle(conn: Connection, upload: Upload, digest: str, moment: Moment) -> bool:
    """Turn a session that nobody is writing to into a blob that shows in its repository; tell whether that was done.

    It is not, and nothing changes, when the session is not as `upload` says any more, or when the registry has a blob
    of this digest already.
    """
    if not uploads.end_idle(conn, upload.id, upload.size, moment.now):
        return False
    links.lock_one(conn, upload.repository_id, digest)
    blob = Blob(digest=digest, size=upload.size, key=upload.key, created_at=moment.now, review_at=None)
    if not blobs.insert(conn, blob):
        uploads.insert(conn, upload)
        return False
    show_blob(conn, upload.repository_id, digest, moment)
    return True


def commit_new(conn: Connection, upload: Upload, token: str, digest: str, moment: Moment) -> str | None:
    """Turn the session into a blob that shows in its repository, and return None.

    When the registry has a blob of this digest already, change nothing and return the key of its bytes: whoever hears
    of success counts on them, so they are looked at first. Raises UploadOutOfOrder when the lease was lost.
    """
    _keep_lease(conn, upload, token, moment)
    links.lock_one(conn, upload.repository_id, digest)
    blob = Blob(digest=digest, size=upload.size, key=upload.key, created_at=moment.now, review_at=None)
    if not blobs.insert(conn, blob):
        known = blobs.lock(conn, digest)
        assert known is not None  # an insert that finds the digest locks its row
        return known.key
    _close(conn, upload, digest, moment)
    return None


def commit_known(
    conn: Connection, upload: Upload, token: str, digest: str, moment: Moment, *, damaged: str | None
) -> None:
    """Close the session of a blob that the registry had already; its own bytes are condemned.

    If the registry's are those under the key `damaged`, they are, and those of the session take their place. Raises
    UploadOutOfOrder when the lease was lost.
    """
    _keep_lease(conn, upload, token, moment)
    links.lock_one(conn, upload.repository_id, digest)
    blob = Blob(digest=digest, size=upload.size, key=upload.key, created_at=moment.now, review_at=None)
    if not blobs.insert(conn, blob):  # else: condemned since it was found
        known = blobs.lock(conn, digest)
        assert known is not None
        if known.key == damaged:
            blobs.replace_key(conn, digest, upload.key)
            condemned.insert(conn, damaged, moment.delete_at)
        else:
            condemned.insert(conn, upload.key, moment.now)
    _close(conn, upload, digest, moment)


def _keep_lease(conn: Connection, upload: Upload, token: str, moment: Moment) -> None:
    if not uploads.renew(conn, upload.id, token, moment.now + DURATION):
        raise UploadOutOfOrder("another client has taken over this upload", offset=upload.size)


def _close(conn: Connection, upload: Upload, digest: str, moment: Moment) -> None:
    show_blob(conn, upload.repository_id, digest, moment)
    uploads.end(conn, upload.id)


def show_blob(conn: Connection, repository_id: int, digest: str, moment: Moment) -> None:
    """Let the blob, whose row is locked or new, show in the repository from now on (invariant 4)."""
    links.insert(conn, repository_id, digest, moment.now)
    reviews.settle_shown(conn, repository_id, digest, moment.review_at)


def drop_held(conn: Connection, session: str, token: str, now: int) -> None:
    """End the session if the lease is still this one."""
    if uploads.renew(conn, session, token, now + DURATION):
        drop_session(conn, session, now)


def drop_session(conn: Connection, session: str, delete_at: int) -> None:
    """End the session; its bytes are condemned (row first, bytes later: invariant 2)."""
    key = uploads.delete(conn, session)
    if key is not None:
        condemned.insert(conn, key, delete_at)
