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
    """Return the session with its lease taken. Raises UploadUnknown, or UploadOutOfOrder while somebody else has it."""
    upload = uploads.get(conn, repository_id, session)
    if upload is None or upload.expires_at <= now:
        raise UploadUnknown("this upload is unknown: finished, cancelled or expired; begin a new one")
    if not uploads.lease(conn, session, token, now, now + DURATION):
        raise UploadOutOfOrder("another client is writing to this upload", offset=upload.size)
    return upload


def commit_upload(conn: Connection, upload: Upload, token: str, digest: str, moment: Moment) -> None:
    """Turn the session into a blob that shows in its repository.

    Bytes that the registry has already under this digest stay, and those of the session are condemned. Raises
    UploadOutOfOrder when the lease was lost.
    """
    if not uploads.renew(conn, upload.id, token, moment.now + DURATION):
        raise UploadOutOfOrder("another client has taken over this upload", offset=upload.size)
    links.lock(conn, upload.repository_id, [digest])
    blob = Blob(digest=digest, size=upload.size, key=upload.key, created_at=moment.now, review_at=None)
    if not blobs.insert(conn, blob):
        blobs.lock(conn, digest)
        condemned.insert(conn, upload.key, moment.now)
    show_blob(conn, upload.repository_id, digest, moment)
    uploads.delete(conn, upload.id)


def show_blob(conn: Connection, repository_id: int, digest: str, moment: Moment) -> None:
    """Let the blob, whose row is locked or new, show in the repository from now on (invariant 4)."""
    links.insert(conn, repository_id, digest, moment.now)
    reviews.settle(conn, repository_id, [digest], moment.review_at)
    reviews.postpone_link(conn, repository_id, digest, moment.review_at)
    reviews.settle_blob(conn, digest, moment.review_at)


def drop_session(conn: Connection, session: str, delete_at: int) -> None:
    """End the session; its bytes are condemned (row first, bytes later: invariant 2)."""
    key = uploads.delete(conn, session)
    if key is not None:
        condemned.insert(conn, key, delete_at)
