# SPDX-License-Identifier: Apache-2.0
"""Blobs: digests and where their bytes are. A blob is global; `links` let it show in repositories."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, select

from estiva.db.engine import HotQuery, insert_or_ignore
from estiva.db.schema import blobs, links

# (digest, size, key, the link's review_at, the blob's review_at) of a blob that shows in a repository
LINKED = HotQuery(
    select(blobs.c.digest, blobs.c.size, blobs.c.key, links.c.review_at, blobs.c.review_at.label("blob_review_at"))
    .join_from(links, blobs, links.c.digest == blobs.c.digest)
    .where(links.c.repository_id == bindparam("repository_id"), links.c.digest == bindparam("digest")),
    "repository_id",
    "digest",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob; `review_at` is set while no repository shows it (invariant 4)."""

    digest: str
    size: int
    key: str
    created_at: int
    review_at: int | None


def get(conn: Connection, digest: str) -> Blob | None:
    """Return the blob, or None."""
    row = conn.execute(select(blobs).where(blobs.c.digest == digest)).mappings().one_or_none()
    return None if row is None else Blob(**row)


def lock(conn: Connection, digest: str) -> Blob | None:
    """Return the blob, or None; nobody else changes it until the transaction ends."""
    row = conn.execute(select(blobs).where(blobs.c.digest == digest).with_for_update()).mappings().one_or_none()
    return None if row is None else Blob(**row)


def insert(conn: Connection, blob: Blob) -> bool:
    """Insert the blob; False when its digest is there already."""
    return insert_or_ignore(conn, blobs, asdict(blob))


def delete(conn: Connection, digest: str) -> None:
    """Delete the blob's row."""
    conn.execute(blobs.delete().where(blobs.c.digest == digest))
