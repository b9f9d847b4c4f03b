# SPDX-License-Identifier: Apache-2.0
"""Links: which blob shows in which repository."""

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, exists, select

from estiva.db.batches import batches
from estiva.db.engine import insert_or_lock
from estiva.db.schema import links

_HERE = links.c.repository_id == bindparam("repository")
_ONE = links.c.digest == bindparam("wanted")
_MANY = links.c.digest.in_(bindparam("wanted", expanding=True))

_LOCK = select(links.c.digest).where(_HERE, _MANY).order_by(links.c.digest).with_for_update()
_LOCK_ONE = select(links.c.digest).where(_HERE, _ONE).with_for_update()
_EXISTS_IN = select(exists().where(_HERE, _ONE))
_EXISTS_ANYWHERE = select(exists().where(_ONE))
_DELETE = links.delete().where(_HERE, _ONE)


def insert(conn: Connection, repository_id: int, digest: str, now: int) -> bool:
    """Let the blob show in the repository; False when it did already."""
    values = {"repository_id": repository_id, "digest": digest, "created_at": now}
    return insert_or_lock(conn, links, ("repository_id", "digest"), values)


def lock(conn: Connection, repository_id: int, digests: Collection[str]) -> set[str]:
    """Return those of the digests that show in the repository, locked in order until the transaction ends."""
    found: set[str] = set()
    for batch in batches(digests):
        found.update(conn.execute(_LOCK, {"repository": repository_id, "wanted": batch}).scalars())
    return found


def lock_one(conn: Connection, repository_id: int, digest: str) -> None:
    """Lock the link, if there is one, until the transaction ends."""
    conn.execute(_LOCK_ONE, {"repository": repository_id, "wanted": digest})


def exists_in(conn: Connection, repository_id: int, digest: str) -> bool:
    """Tell whether the blob shows in the repository."""
    return bool(conn.execute(_EXISTS_IN, {"repository": repository_id, "wanted": digest}).scalar())


def exists_anywhere(conn: Connection, digest: str) -> bool:
    """Tell whether the blob shows in any repository."""
    return bool(conn.execute(_EXISTS_ANYWHERE, {"wanted": digest}).scalar())


def delete(conn: Connection, repository_id: int, digest: str) -> bool:
    """Stop showing the blob in the repository; False when it did not show."""
    return conn.execute(_DELETE, {"repository": repository_id, "wanted": digest}).rowcount == 1
