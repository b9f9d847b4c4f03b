# SPDX-License-Identifier: Apache-2.0
"""Condemned objects: bytes to be removed from the store, once their time has come (invariants 2 and 15)."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from estiva.db.batches import batches
from estiva.db.schema import condemned_objects


def insert(conn: Connection, key: str, delete_at: int) -> None:
    """Order the object's removal, at `delete_at` or later."""
    conn.execute(condemned_objects.insert().values(key=key, delete_at=delete_at))


def due(conn: Connection, now: int, limit: int) -> list[str]:
    """Return keys whose time has come, the longest overdue first."""
    statement = select(condemned_objects.c.key).where(condemned_objects.c.delete_at <= now)
    return list(conn.execute(statement.order_by(condemned_objects.c.delete_at).limit(limit)).scalars())


def delete(conn: Connection, keys: Collection[str]) -> None:
    """Forget the orders, after the objects are gone."""
    for batch in batches(keys):
        conn.execute(condemned_objects.delete().where(condemned_objects.c.key.in_(batch)))
