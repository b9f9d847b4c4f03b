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


class Referrers:
    """Serves the referrers list."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self, repository_id: int, subject: Digest, artifact_type: str | None, after: str, limit: int
    ) -> tuple[list[Referrer], str | None]:
        """Return the referrers after the digest `after`, at most `limit`, and where the next page begins, if any."""
        found = await self._db.read(
            manifests.referrers, repository_id, str(subject), artifact_type, after=after, limit=limit + 1
        )
        taken: list[Referrer] = []
        size = 0
        for referrer in found[:limit]:
            size += len(referrer.annotations)
            if taken and size > PAGE_BYTES:
                break
            taken.append(referrer)
        return taken, taken[-1].digest if taken and len(taken) < len(found) else None
