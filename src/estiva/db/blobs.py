# SPDX-License-Identifier: Apache-2.0
"""Blobs: digests and where their bytes are. A blob is global; `links` let it show in repositories."""

from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, bindparam, select

from estiva.db.engine import HotQuery, insert_or_lock, values_of
from estiva.db.schema import blobs, links

# (digest, size, key, the link's review_at) of a blob that shows in a repository.
LINKED = HotQuery(
    select(blobs.c.digest, blobs.c.size, blobs.c.key, links.c.review_at)
    .join_from(links, blobs, links.c.digest == blobs.c.digest)
    .where(links.c.repository_id == bindparam("repository"), links.c.digest == bindparam("wanted")),
    "repository",
    "wanted",
)

_GET = select(blobs).where(blobs.c.digest == bindparam("wanted"))
_LOCK = _GET.with_for_update()
_REPLACE = blobs.update().where(blobs.c.digest == bindparam("wanted")).values(key=bindparam("other"))
_DELETE = blobs.delete().where(blobs.c.digest == bindparam("wanted"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob; `review_at` is set while no repository shows it (invariant 4)."""

    digest: str
    size: int
    key: str
    created_at: int
    review_at: int | None


def _blob(row: RowMapping | None) -> Blob | None:
    return None if row is None else Blob(**row)


def get(conn: Connection, digest: str) -> Blob | None:
    """Return the blob, or None."""
    return _blob(conn.execute(_GET, {"wanted": digest}).mappings().one_or_none())


def lock(conn: Connection, digest: str) -> Blob | None:
    """Return the blob, or None; nobody else changes it until the transaction ends."""
    return _blob(conn.execute(_LOCK, {"wanted": digest}).mappings().one_or_none())


def insert(conn: Connection, blob: Blob) -> bool:
    """Insert the blob; False when its digest is there already, whose row is locked then."""
    return insert_or_lock(conn, blobs, ("digest",), values_of(blob))


def replace_key(conn: Connection, digest: str, key: str) -> None:
    """Let the blob's bytes be those under another key."""
    conn.execute(_REPLACE, {"wanted": digest, "other": key})


def delete(conn: Connection, digest: str) -> None:
    """Delete the blob's row."""
    conn.execute(_DELETE, {"wanted": digest})
