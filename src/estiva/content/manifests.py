# SPDX-License-Identifier: Apache-2.0
"""Manifests of one repository: looked up, pushed, deleted."""

import msgspec

from estiva.blobstore import BlobStore
from estiva.content.push import Push, delete_manifest, push_manifest
from estiva.content.terms import Terms
from estiva.db import manifests, reviews
from estiva.db.engine import Database
from estiva.errors import ManifestUnknown, StorageFull
from estiva.oci.digests import Digest
from estiva.oci.tags import Tag
from estiva.options.content import ContentOptions


class ManifestFound(msgspec.Struct, frozen=True, gc=False):
    """A manifest as it was pushed, byte for byte."""

    digest: str
    media_type: str
    size: int
    content: bytes
    review_at: int | None


class Manifests:
    """Serves the manifest endpoints."""

    def __init__(self, db: Database, store: BlobStore, terms: Terms, policy: ContentOptions) -> None:
        self._db = db
        self._store = store
        self._terms = terms
        self._policy = policy

    async def find(self, repository_id: int, reference: Tag | Digest) -> ManifestFound:
        """Look the manifest up. Raises ManifestUnknown."""
        query = manifests.BY_TAG if isinstance(reference, Tag) else manifests.BY_DIGEST
        row = await self._db.row(query, repository_id, str(reference))
        if row is None:
            raise ManifestUnknown(f"this repository has no manifest {reference}", detail={"reference": str(reference)})
        return ManifestFound(*row)

    def must_announce(self, found: ManifestFound) -> bool:
        """Tell whether `announce` must follow before a pusher is told that the manifest is there."""
        return self._terms.half_spent(found.review_at)

    async def announce(self, repository_id: int, found: ManifestFound) -> None:
        """Note that a pusher is told that the manifest is there, and counts on it (invariant 4)."""
        await self._db.write(reviews.postpone_manifest, repository_id, found.digest, self._terms.review_at())

    async def push(self, repository_id: int, push: Push) -> None:
        """Store a manifest and set its tags, all or nothing.

        Raises ManifestReferenceUnknown, PreconditionFailed, and StorageFull while the reserve is touched: the
        database must have room to delete.
        """
        space = await self._store.space()
        if space.free is not None and space.free < self._terms.options.min_free:
            raise StorageFull("the storage is full; free some room and push again")
        await self._db.write(push_manifest, repository_id, push, self._policy, self._terms.moment())

    async def delete(self, repository_id: int, digest: Digest) -> None:
        """Delete the manifest and every tag on it. Raises ManifestUnknown, ContentInUse."""
        await self._db.write(delete_manifest, repository_id, str(digest), self._terms.review_at())
