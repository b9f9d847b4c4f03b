# SPDX-License-Identifier: Apache-2.0
"""Reviews: what nothing refers to carries the time from which it may be looked at again (invariants 4 to 6).

1. A link is referenced when a manifest of its repository refers to its digest.
2. A manifest is referenced when a tag points to it, when a manifest of its repository refers to its digest, or when
   its subject is in the repository.
3. A blob is referenced when it shows in a repository.
4. Rows whose references a transaction changes are locked before, and settled after: of two transactions that take
   away the last two references, the second sees what the first did.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, Table, exists, not_, or_

from estiva.db.batches import batches
from estiva.db.manifests import digests_of_referrers, lock
from estiva.db.schema import blobs, links, manifest_references, manifests, tags


def _referred(table: Table) -> ColumnElement[bool]:
    return exists().where(
        manifest_references.c.repository_id == table.c.repository_id, manifest_references.c.digest == table.c.digest
    )


def _tagged() -> ColumnElement[bool]:
    return exists().where(tags.c.repository_id == manifests.c.repository_id, tags.c.digest == manifests.c.digest)


def _has_subject() -> ColumnElement[bool]:
    subject = manifests.alias("subject")
    return exists().where(subject.c.repository_id == manifests.c.repository_id, subject.c.digest == manifests.c.subject)


def link_is_referenced() -> ColumnElement[bool]:
    """Return the condition of rule 1."""
    return _referred(links)


def manifest_is_referenced() -> ColumnElement[bool]:
    """Return the condition of rule 2."""
    return or_(_tagged(), _referred(manifests), _has_subject())


def blob_is_referenced() -> ColumnElement[bool]:
    """Return the condition of rule 3."""
    return exists().where(links.c.digest == blobs.c.digest)


def settle(conn: Connection, repository_id: int, digests: Collection[str], review_at: int) -> None:
    """Set or clear the review of the links and manifests with these digests, as their references now are."""
    for batch in batches(digests):
        for table, referenced in ((links, link_is_referenced()), (manifests, manifest_is_referenced())):
            mine = (table.c.repository_id == repository_id) & table.c.digest.in_(batch)
            _settle(conn, table, mine, referenced, review_at)


def settle_referrers(conn: Connection, repository_id: int, subject: str, review_at: int) -> None:
    """Settle the manifests that name the subject, after it came or went."""
    digests = digests_of_referrers(conn, repository_id, subject)
    lock(conn, repository_id, digests)
    settle(conn, repository_id, digests, review_at)


def settle_blob(conn: Connection, digest: str, review_at: int) -> None:
    """Settle the blob, after a repository began or ceased to show it."""
    _settle(conn, blobs, blobs.c.digest == digest, blob_is_referenced(), review_at)


def _settle(
    conn: Connection, table: Table, mine: ColumnElement[bool], referenced: ColumnElement[bool], review_at: int
) -> None:
    # Only rows that change are written.
    conn.execute(table.update().where(mine, table.c.review_at.is_not(None), referenced).values(review_at=None))
    unset = (mine, table.c.review_at.is_(None), not_(referenced))
    conn.execute(table.update().where(*unset).values(review_at=review_at))


def postpone_link(conn: Connection, repository_id: int, digest: str, review_at: int) -> None:
    """Put off the review of a link that carries one."""
    mine = (links.c.repository_id == repository_id) & (links.c.digest == digest)
    conn.execute(links.update().where(mine, links.c.review_at < review_at).values(review_at=review_at))


def postpone_manifest(conn: Connection, repository_id: int, digest: str, review_at: int) -> None:
    """Put off the review of a manifest that carries one."""
    mine = (manifests.c.repository_id == repository_id) & (manifests.c.digest == digest)
    conn.execute(manifests.update().where(mine, manifests.c.review_at < review_at).values(review_at=review_at))
