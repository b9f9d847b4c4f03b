# SPDX-License-Identifier: Apache-2.0
"""Reviews: what nothing refers to carries the time from which it may be looked at again (invariants 4 to 6).

1. A link is referenced when a manifest of its repository refers to its digest.
2. A manifest is referenced when a tag points to it, when a manifest of its repository refers to its digest, or when
   its subject is in the repository.
3. A blob is referenced when it shows in a repository.
4. Rows whose references a transaction changes are locked before, and settled after: of two transactions that take
   away the last two references, the second sees what the first did. Callers lock links and manifests, whose order
   they know; blobs come last in the order, and `settle_blob` locks its own itself.
5. A row that carries a review although something refers to it is harmless: whoever condemns looks again.
"""

from collections.abc import Collection

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Executable,
    Table,
    and_,
    bindparam,
    case,
    exists,
    not_,
    null,
    or_,
)

from estiva.db import blobs as blob_rows
from estiva.db.batches import batches
from estiva.db.manifests import digests_of_referrers, lock
from estiva.db.schema import blobs, links, manifest_references, manifests, tags


def _referred(table: Table) -> ColumnElement[bool]:
    return exists().where(
        manifest_references.c.repository_id == table.c.repository_id, manifest_references.c.digest == table.c.digest
    )


# Of one column: to find all of a row (`*`), SQLite walks through the repository's tags by their names.
_TAGGED = exists(tags.c.digest).where(
    tags.c.repository_id == manifests.c.repository_id, tags.c.digest == manifests.c.digest
)
_SUBJECT = manifests.alias("subjects")
_HAS_SUBJECT = exists().where(
    _SUBJECT.c.repository_id == manifests.c.repository_id, _SUBJECT.c.digest == manifests.c.subject
)

LINK_IS_REFERENCED = _referred(links)
MANIFEST_IS_REFERENCED = or_(_TAGGED, _referred(manifests), _HAS_SUBJECT)
BLOB_IS_REFERENCED = exists().where(links.c.digest == blobs.c.digest)

_AT: BindParameter[int] = bindparam("at", type_=BigInteger)


def _settling(table: Table, mine: ColumnElement[bool], referenced: ColumnElement[bool]) -> Executable:
    """Return the statement that clears the review of what is referenced and sets that of what is not."""
    # Only rows that change are written.
    stale = or_(and_(table.c.review_at.is_not(None), referenced), and_(table.c.review_at.is_(None), not_(referenced)))
    return table.update().where(mine, stale).values(review_at=case((table.c.review_at.is_(None), _AT), else_=null()))


def _many(table: Table) -> ColumnElement[bool]:
    return and_(
        table.c.repository_id == bindparam("repository"), table.c.digest.in_(bindparam("wanted", expanding=True))
    )


def _postponing(table: Table, mine: ColumnElement[bool]) -> Executable:
    return table.update().where(mine, table.c.review_at < _AT).values(review_at=_AT)


_LINKS = _settling(links, _many(links), LINK_IS_REFERENCED)
_MANIFESTS = _settling(manifests, _many(manifests), MANIFEST_IS_REFERENCED)
_BLOB = _settling(blobs, blobs.c.digest == bindparam("wanted"), BLOB_IS_REFERENCED)
# Whoever shows a blob counts on the whole term, also of a link that was there before.
_SHOWN_LINK = (
    links.update()
    .where(
        links.c.repository_id == bindparam("repository"),
        links.c.digest == bindparam("wanted"),
        or_(and_(links.c.review_at.is_(None), not_(LINK_IS_REFERENCED)), links.c.review_at < _AT),
    )
    .values(review_at=case((LINK_IS_REFERENCED, null()), else_=_AT))
)
_SHOWN_BLOB = (
    blobs.update().where(blobs.c.digest == bindparam("wanted"), blobs.c.review_at.is_not(None)).values(review_at=None)
)
_POSTPONE_LINK = _postponing(links, _many(links))
_POSTPONE_MANIFEST = _postponing(manifests, _many(manifests))


def settle(conn: Connection, repository_id: int, digests: Collection[str], review_at: int) -> None:
    """Set or clear the review of the links and manifests with these digests, as their references now are.

    The caller holds the locks of the rows (rule 4).
    """
    for batch in batches(digests):
        mine = {"repository": repository_id, "wanted": batch, "at": review_at}
        for settling in (_LINKS, _MANIFESTS):
            conn.execute(settling, mine)


def settle_referrers(conn: Connection, repository_id: int, subject: str, review_at: int) -> None:
    """Settle the manifests that name the subject, after it came or went."""
    digests = digests_of_referrers(conn, repository_id, subject)
    lock(conn, repository_id, digests)
    settle(conn, repository_id, digests, review_at)


def settle_blob(conn: Connection, digest: str, review_at: int) -> None:
    """Lock the blob and settle it, after a repository began or ceased to show it."""
    blob_rows.lock(conn, digest)
    conn.execute(_BLOB, {"wanted": digest, "at": review_at})


def settle_shown(conn: Connection, repository_id: int, digest: str, review_at: int) -> None:
    """Settle the link and the blob after the repository began to show it, or was asked to once more.

    The caller holds the locks of both.
    """
    conn.execute(_SHOWN_LINK, {"repository": repository_id, "wanted": digest, "at": review_at})
    conn.execute(_SHOWN_BLOB, {"wanted": digest})


def postpone_link(conn: Connection, repository_id: int, digest: str, review_at: int) -> None:
    """Put off the review of a link that carries one."""
    conn.execute(_POSTPONE_LINK, {"repository": repository_id, "wanted": [digest], "at": review_at})


def postpone_manifest(conn: Connection, repository_id: int, digest: str, review_at: int) -> None:
    """Put off the review of a manifest that carries one."""
    conn.execute(_POSTPONE_MANIFEST, {"repository": repository_id, "wanted": [digest], "at": review_at})
