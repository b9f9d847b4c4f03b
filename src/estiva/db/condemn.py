# SPDX-License-Identifier: Apache-2.0
"""Condemning: taking away what nothing has referred to for its whole term.

Lock, then look (invariant 5): the row is locked first, and *a new statement* looks for references. One conditional
DELETE would not do: under READ COMMITTED its subquery sees the state from before it waited for the lock.
"""

from sqlalchemy import ColumnElement, Connection, Table, select

from estiva.db import blobs as blob_rows
from estiva.db import condemned, links, manifests, references, reviews, schema


def condemn_link(conn: Connection, repository_id: int, digest: str, now: int, review_at: int) -> bool:
    """Stop showing the blob in the repository if its term has passed; a blob that no repository shows gets a term."""
    mine = (schema.links.c.repository_id == repository_id) & (schema.links.c.digest == digest)
    if not _is_due(conn, schema.links, mine, reviews.link_is_referenced(), now):
        return False
    links.delete(conn, repository_id, digest)
    blob_rows.lock(conn, digest)
    reviews.settle_blob(conn, digest, review_at)
    return True


def condemn_manifest(conn: Connection, repository_id: int, digest: str, now: int, review_at: int) -> bool:
    """Delete the manifest if its term has passed; what it alone referred to, and its referrers, get a term."""
    manifest_id = manifests.get_id(conn, repository_id, digest)
    if manifest_id is None:
        return False
    children = references.digests_of(conn, manifest_id)
    links.lock(conn, repository_id, children)
    manifests.lock(conn, repository_id, [*children, digest])
    if not _is_due(conn, schema.manifests, schema.manifests.c.id == manifest_id, reviews.manifest_is_referenced(), now):
        return False
    manifests.delete(conn, manifest_id)
    reviews.settle(conn, repository_id, children, review_at)
    reviews.settle_referrers(conn, repository_id, digest, review_at)
    return True


def condemn_blob(conn: Connection, digest: str, now: int, delete_at: int) -> bool:
    """Delete the blob's row if its term has passed, and order the removal of its bytes at `delete_at`."""
    blob = blob_rows.lock(conn, digest)
    mine = schema.blobs.c.digest == digest
    if blob is None or not _is_due(conn, schema.blobs, mine, reviews.blob_is_referenced(), now):
        return False
    blob_rows.delete(conn, digest)
    condemned.insert(conn, blob.key, delete_at)
    return True


def _is_due(
    conn: Connection, table: Table, mine: ColumnElement[bool], referenced: ColumnElement[bool], now: int
) -> bool:
    """Lock the row; tell whether its term has passed and nothing refers to it; clear the term if something does."""
    locked = conn.execute(select(table.c.review_at).where(mine).with_for_update()).one_or_none()
    if locked is None or locked.review_at is None or locked.review_at > now:
        return False
    kept = conn.execute(table.update().where(mine, referenced).values(review_at=None))
    return kept.rowcount == 0
