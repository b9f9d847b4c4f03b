# SPDX-License-Identifier: Apache-2.0
"""What time takes away: uploads that nobody goes on with, and the bytes of rows that are gone."""

import structlog
from sqlalchemy import Connection

from estiva.blobstore import BlobStore
from estiva.content.commit import drop_session
from estiva.content.terms import Terms
from estiva.db import condemned, uploads
from estiva.db.engine import Database
from estiva.errors import StorageUnavailable

_log = structlog.get_logger("estiva.content")

BATCH = 100  # rows per transaction, so that pushes do not wait for a sweep


class Expiry:
    """Frees what has expired; safe to run at any time, and twice at once."""

    def __init__(self, db: Database, store: BlobStore, terms: Terms) -> None:
        self._db = db
        self._store = store
        self._terms = terms

    async def expire_uploads(self) -> int:
        """End the uploads that have expired and return how many there were."""
        ended = 0
        while True:
            count = await self._db.write(_expire_some, self._terms.now())
            ended += count
            if count < BATCH:
                return ended

    async def remove_objects(self) -> int:
        """Delete the bytes whose time has come and return how many objects there were.

        The row that names them goes last: a crash in between leaves an object that is deleted again.
        """
        removed = 0
        while True:
            keys = await self._db.read(condemned.due, self._terms.now(), BATCH)
            gone = [key for key in keys if await self._remove(key)]
            if gone:
                await self._db.write(condemned.delete, gone)
            removed += len(gone)
            if len(gone) < BATCH:  # the end, or objects that cannot be removed now: the next sweep tries again
                return removed

    async def _remove(self, key: str) -> bool:
        try:
            await self._store.delete(key)
        except StorageUnavailable as error:
            _log.warning("object_not_removed", key=key, error=error.message)
            return False
        return True


def _expire_some(conn: Connection, now: int) -> int:
    expired = uploads.expired(conn, now, BATCH)
    for upload in expired:
        drop_session(conn, upload.id, now)
    return len(expired)
