# SPDX-License-Identifier: Apache-2.0
"""Referrers: the manifests of a repository that name another one as their subject.

Each manifest's subject is known from its push, so a manifest that a client lists under the fallback tag
(`sha256-...`, spec "Referrers Tag Schema") is found here as well, without reading that tag.
"""

from estiva.db import manifests
from estiva.db.engine import Database
from estiva.db.manifests import Referrer
from estiva.oci.digests import Digest

PAGE_BYTES = 3 * 1024 * 1024  # of annotations in one answer: clients refuse an index of more than 4 MiB
FIRST_BATCH = 8  # rows; each may carry a manifest's whole 4 MiB, so many are read only after small ones
LARGEST_BATCH = 256


class Referrers:
    """Serves the referrers list."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self, repository_id: int, subject: Digest, artifact_type: str | None, after: str, limit: int
    ) -> tuple[list[Referrer], str | None]:
        """Return the referrers after the digest `after`, at most `limit`, and where the next page begins, if any."""
        taken: list[Referrer] = []
        size, count = 0, FIRST_BATCH
        while True:
            batch = await self._db.read(
                manifests.referrers, repository_id, str(subject), artifact_type, after=after, limit=count
            )
            for referrer in batch:
                size += len(referrer.annotations.encode())
                if taken and (size > PAGE_BYTES or len(taken) == limit):
                    return taken, taken[-1].digest
                taken.append(referrer)
            if len(batch) < count:
                return taken, None
            after = batch[-1].digest
            count = min(2 * count, LARGEST_BATCH) if size < PAGE_BYTES // 8 else FIRST_BATCH
