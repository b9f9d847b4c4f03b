# SPDX-License-Identifier: Apache-2.0
"""Condemning: taking away what nothing has referred to for its whole term.

Lock, then look (invariant 5): the row is locked first, and *a new statement* looks for references. One conditional
DELETE would not do: under READ COMMITTED its subquery sees the state from before it waited for the lock.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Table, and_, bindparam, select

from estiva.db import blobs as blob_rows
from estiva.db import condemned, links, manifests, references, reviews, schema


@dataclass(frozen=True, slots=True)
class _Looking:
    """The statements that lock a row, and clear its term when something refers to it after all."""

    lock: Executable
    keep: Executable


def _looking(table: Table, referenced: ColumnElement[bool], *columns: str) -> _Looking:
    mine = and_(*(table.c[name] == bindparam(f"wanted_{name}") for name in columns))
    return _Looking(
        select(table.c.review_at).where(mine).with_for_update(),
        table.update().where(mine, referenced).values(review_at=None),
    )


_LINK = _looking(schema.links, reviews.LINK_IS_REFERENCED, "repository_id", "digest")
_MANIFEST = _looking(schema.manifests, reviews.MANIFEST_IS_REFERENCED, "repository_id", "digest")
_BLOB = _looking(schema.blobs, reviews.BLOB_IS_REFERENCED, "digest")


def condemn_link(conn: Connection, repository_id: int, digest: str, now: int, review_at: int) -> bool:
    """Stop showing the blob in the repository if its term has passed; a blob that no repository shows gets a term."""
    if not _is_due(conn, _LINK, {"wanted_repository_id": repository_id, "wanted_digest": digest}, now):
        return False
    links.delete(conn, repository_id, digest)
    reviews.settle_blob(conn, digest, review_at)
    return True


def condemn_manifest(conn: Connection, repository_id: int, digest: str, now: int, review_at: int) -> bool:
    """Delete the manifest if its term has passed; what it alone referred to, and its referrers, get a term."""
    manifest_id = manifests.get_id(conn, repository_id, digest)
    if manifest_id is None:
        return False
    children = references.digests_of(conn, manifest_id)
    referrers = manifests.digests_of_referrers(conn, repository_id, digest)
    links.lock(conn, repository_id, children)
    manifests.lock(conn, repository_id, [*children, *referrers, digest])
    # Whoever deleted and pushed it again while this waited gave it a term of its own, by which it is judged.
    if not _is_due(conn, _MANIFEST, {"wanted_repository_id": repository_id, "wanted_digest": digest}, now):
        return False
    manifests.delete(conn, manifest_id)
    reviews.settle(conn, repository_id, children, review_at)
    reviews.settle_referrers(conn, repository_id, digest, review_at)
    return True


def condemn_blob(conn: Connection, digest: str, now: int, delete_at: int) -> bool:
    """Delete the blob's row if its term has passed, and order the removal of its bytes at `delete_at`."""
    if not _is_due(conn, _BLOB, {"wanted_digest": digest}, now):
        return False
    blob = blob_rows.get(conn, digest)
    assert blob is not None
    blob_rows.delete(conn, digest)
    condemned.insert(conn, blob.key, delete_at)
    return True


def _is_due(conn: Connection, looking: _Looking, mine: dict[str, Any], now: int) -> bool:
    """Lock the row; tell whether its term has passed and nothing refers to it; clear the term if something does."""
    review_at: int | None = conn.execute(looking.lock, mine).scalar_one_or_none()
    if review_at is None or review_at > now:
        return False
    return conn.execute(looking.keep, mine).rowcount == 0
