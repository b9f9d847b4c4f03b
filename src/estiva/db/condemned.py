# SPDX-License-Identifier: Apache-2.0
"""Condemned objects: bytes to be removed from the store, once their time has come (invariants 2 and 15)."""

from collections.abc import Collection

from sqlalchemy import Connection, Integer, bindparam, select
from sqlalchemy import insert as sql_insert

from estiva.db.batches import batches
from estiva.db.schema import condemned_objects

_KEY = condemned_objects.c.key
_INSERT = sql_insert(condemned_objects)
_DUE = (
    select(_KEY)
    .where(condemned_objects.c.delete_at <= bindparam("now"))
    .order_by(condemned_objects.c.delete_at, _KEY)
    .limit(bindparam("most", type_=Integer))
)
_DELETE = condemned_objects.delete().where(_KEY.in_(bindparam("wanted", expanding=True)))


def insert(conn: Connection, key: str, delete_at: int) -> None:
    """Order the object's removal, at `delete_at` or later."""
    conn.execute(_INSERT, {"key": key, "delete_at": delete_at})


def due(conn: Connection, now: int, limit: int) -> list[str]:
    """Return keys whose time has come, the longest overdue first."""
    return list(conn.execute(_DUE, {"now": now, "most": limit}).scalars())


def delete(conn: Connection, keys: Collection[str]) -> None:
    """Forget the orders, after the objects are gone."""
    for batch in batches(keys):
        conn.execute(_DELETE, {"wanted": batch})
