# SPDX-License-Identifier: Apache-2.0
"""Blobs as they show in one repository: looked up, read, mounted, unlinked."""

import msgspec
from sqlalchemy import Connection

from estiva.blobstore import BlobStore, ObjectMissing, Reader, holds
from estiva.content.commit import show_blob
from estiva.content.needs import refuse_if_needed
from estiva.content.terms import Moment, Terms
from estiva.db import blobs, links, manifests, reviews
from estiva.db.engine import Database
from estiva.errors import BlobUnknown
from estiva.oci.digests import Digest

AT_HAND = 64 * 1024  # bytes; reading more from memory costs more than waking a thread


class BlobFound(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A blob that shows in a repository, or a manifest asked for as one (clients fall back to that).

    Exactly one of `key`, where its bytes are in the store, and `content`, the bytes themselves, is there.
    """

    size: int
    key: str | None = None
    content: bytes | None = None
    review_at: int | None = None


class Blobs:
    """Serves the blob endpoints, uploads aside."""

    def __init__(self, db: Database, store: BlobStore, terms: Terms) -> None:
        self._db = db
        self._store = store
        self._terms = terms

    async def find(self, repository_id: int, digest: Digest) -> BlobFound:
        """Look the blob up. Raises BlobUnknown."""
        row = await self._db.row(blobs.LINKED, repository_id, str(digest))
        if row is not None:
            _, size, key, review_at = row
            return BlobFound(size=size, key=key, review_at=review_at)
        row = await self._db.row(manifests.BY_DIGEST, repository_id, str(digest))
        if row is None:
            raise BlobUnknown(f"this repository has no blob {digest}", detail={"digest": str(digest)})
        _, _, size, content, review_at = row
        return BlobFound(size=size, content=content, review_at=review_at)

    def at_hand(self, found: BlobFound) -> bytes | None:
        """Return the bytes of the blob when they are few and in memory, so that nobody has to wait; None otherwise."""
        if found.key is None or found.size > AT_HAND:
            return found.content
        glance = self._store.glance(found.key, found.size)
        return None if glance is None else glance.content

    async def open(self, found: BlobFound) -> Reader:
        """Open the bytes of a blob that was found with a key. Raises ObjectMissing when any are lost."""
        assert found.key is not None
        reader = await self._store.reader(found.key)
        if reader.size < found.size:
            reader.close()
            raise ObjectMissing("bytes of this blob are lost; push it again")
        return reader

    def must_announce(self, found: BlobFound) -> bool:
        """Tell whether `announce` must follow before a pusher is told that the blob is there.

        Not where a glance shows that all its bytes are, and its review is far away.
        """
        if self._terms.half_spent(found.review_at):
            return True
        glance = None if found.key is None else self._store.glance(found.key, 0)
        return found.key is not None and (glance is None or glance.size < found.size)

    async def announce(self, repository_id: int, digest: Digest, found: BlobFound) -> None:
        """Make sure that the blob is there, since a pusher who is told so counts on it (invariant 4).

        Raises BlobUnknown when its bytes are lost: then the pusher sends them, which mends it.
        """
        if found.key is not None and not await holds(self._store, found.key, found.size):
            raise BlobUnknown(f"the bytes of the blob {digest} are lost; push it again", detail={"digest": str(digest)})
        if self._terms.half_spent(found.review_at):
            postpone = reviews.postpone_manifest if found.key is None else reviews.postpone_link
            await self._db.write(postpone, repository_id, str(digest), self._terms.review_at())

    async def mount(self, repository_id: int, digest: Digest, source_id: int | None) -> bool:
        """Let a blob of another repository show in this one; `source_id` None: of any. False when it is not there."""
        known = await self._db.read(blobs.get, str(digest))
        if known is None or not await holds(self._store, known.key, known.size):
            return False
        return await self._db.write(_mount, repository_id, str(digest), source_id, self._terms.moment())

    async def delete(self, repository_id: int, digest: Digest) -> None:
        """Stop showing the blob in this repository. Raises BlobUnknown, ContentInUse."""
        await self._db.write(_unlink, repository_id, str(digest), self._terms.moment())


def _mount(conn: Connection, repository_id: int, digest: str, source_id: int | None, moment: Moment) -> bool:
    there = links.exists_anywhere(conn, digest) if source_id is None else links.exists_in(conn, source_id, digest)
    if not there or blobs.lock(conn, digest) is None:
        return False
    show_blob(conn, repository_id, digest, moment)
    return True


def _unlink(conn: Connection, repository_id: int, digest: str, moment: Moment) -> None:
    if not links.lock(conn, repository_id, [digest]):
        raise BlobUnknown(f"this repository has no blob {digest}", detail={"digest": digest})
    refuse_if_needed(conn, repository_id, digest, "blob")
    links.delete(conn, repository_id, digest)
    reviews.settle_blob(conn, digest, moment.review_at)
