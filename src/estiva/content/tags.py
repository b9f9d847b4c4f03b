# SPDX-License-Identifier: Apache-2.0
"""Tags of one repository: listed, deleted."""

from collections.abc import AsyncIterator

from sqlalchemy import Connection

from estiva.content.terms import Terms
from estiva.db import manifests, reviews, tags
from estiva.db.engine import Database
from estiva.errors import ManifestUnknown
from estiva.oci.paging import Page
from estiva.oci.tags import Tag

BATCH = 10_000  # tags per transaction when all are listed: a long one would let SQLite's log grow without bound


class Tags:
    """Serves the tag list, and the deletion of tags."""

    def __init__(self, db: Database, terms: Terms) -> None:
        self._db = db
        self._terms = terms

    async def page(self, repository_id: int, page: Page) -> list[str]:
        """Return one tag more than the page holds, if there are so many: that there is a next page shows so."""
        assert page.limit is not None
        return await self._db.read(tags.page, repository_id, page.last or "", page.limit + 1)

    async def all(self, repository_id: int, last: str | None) -> AsyncIterator[list[str]]:
        """Yield all tags after `last`, in batches; the first one may be empty."""
        after = last or ""
        while True:
            batch = await self._db.read(tags.page, repository_id, after, BATCH)
            yield batch
            if len(batch) < BATCH:
                return
            after = batch[-1]

    async def delete(self, repository_id: int, tag: Tag) -> None:
        """Delete the tag; the manifest stays. Raises ManifestUnknown."""
        await self._db.write(_delete, repository_id, str(tag), self._terms.review_at())


def _delete(conn: Connection, repository_id: int, tag: str, review_at: int) -> None:
    held = tags.lock(conn, repository_id, [tag])
    if tag not in held:
        raise ManifestUnknown(f"this repository has no tag {tag}", detail={"tag": tag})
    manifests.lock(conn, repository_id, [held[tag]])
    tags.delete(conn, repository_id, tag)
    reviews.settle(conn, repository_id, [held[tag]], review_at)
