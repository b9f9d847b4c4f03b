# SPDX-License-Identifier: Apache-2.0
"""Links: which blob shows in which repository."""

from collections.abc import Collection

from sqlalchemy import Connection, exists, select

from estiva.db.batches import batches
from estiva.db.engine import insert_or_ignore
from estiva.db.schema import links


def insert(conn: Connection, repository_id: int, digest: str, now: int) -> bool:
    """Let the blob show in the repository; False when it did already."""
    values = {"repository_id": repository_id, "digest": digest, "created_at": now}
    return insert_or_ignore(conn, links, values)


def lock(conn: Connection, repository_id: int, digests: Collection[str]) -> set[str]:
    """Return those of the digests that show in the repository, locked in order until the transaction ends."""
    found: set[str] = set()
    for batch in batches(digests):
        statement = select(links.c.digest).where(links.c.repository_id == repository_id, links.c.digest.in_(batch))
        found.update(conn.execute(statement.order_by(links.c.digest).with_for_update()).scalars())
    return found


def exists_in(conn: Connection, repository_id: int, digest: str) -> bool:
    """Tell whether the blob shows in the repository."""
    condition = exists().where(links.c.repository_id == repository_id, links.c.digest == digest)
    return bool(conn.execute(select(condition)).scalar())


def exists_anywhere(conn: Connection, digest: str) -> bool:
    """Tell whether the blob shows in any repository."""
    return bool(conn.execute(select(exists().where(links.c.digest == digest))).scalar())


def delete(conn: Connection, repository_id: int, digest: str) -> bool:
    """Stop showing the blob in the repository; False when it did not show."""
    statement = links.delete().where(links.c.repository_id == repository_id, links.c.digest == digest)
    return conn.execute(statement).rowcount == 1
