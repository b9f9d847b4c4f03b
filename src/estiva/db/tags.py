# SPDX-License-Identifier: Apache-2.0
"""Tags: names and the manifests they point to."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from estiva.db.batches import batches
from estiva.db.engine import upsert
from estiva.db.schema import tags


def get(conn: Connection, repository_id: int, name: str) -> str | None:
    """Return the digest that the tag points to, or None."""
    statement = select(tags.c.digest).where(tags.c.repository_id == repository_id, tags.c.name == name)
    return conn.execute(statement).scalar_one_or_none()


def lock(conn: Connection, repository_id: int, names: Collection[str]) -> dict[str, str]:
    """Return what those of the tags that exist point to, locked in order until the transaction ends."""
    found: dict[str, str] = {}
    for batch in batches(names):
        condition = (tags.c.repository_id == repository_id) & tags.c.name.in_(batch)
        statement = select(tags.c.name, tags.c.digest).where(condition).order_by(tags.c.name).with_for_update()
        found.update((name, digest) for name, digest in conn.execute(statement))
    return found


def put(conn: Connection, repository_id: int, name: str, digest: str, now: int) -> None:
    """Make the tag, or move it."""
    values = {"repository_id": repository_id, "name": name, "digest": digest, "updated_at": now}
    upsert(conn, tags, values, ["digest", "updated_at"])


def delete(conn: Connection, repository_id: int, name: str) -> bool:
    """Delete the tag; False when there was none."""
    return conn.execute(tags.delete().where(tags.c.repository_id == repository_id, tags.c.name == name)).rowcount == 1


def delete_of_manifest(conn: Connection, repository_id: int, digest: str) -> list[str]:
    """Delete every tag on the manifest and return their names."""
    statement = tags.delete().where(tags.c.repository_id == repository_id, tags.c.digest == digest)
    return sorted(conn.execute(statement.returning(tags.c.name)).scalars())


def page(conn: Connection, repository_id: int, after: str, limit: int) -> list[str]:
    """Return the names after `after`, in order."""
    statement = select(tags.c.name).where(tags.c.repository_id == repository_id, tags.c.name > after)
    return list(conn.execute(statement.order_by(tags.c.name).limit(limit)).scalars())
