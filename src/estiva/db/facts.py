# SPDX-License-Identifier: Apache-2.0
"""Facts about the whole registry: a name, and a value that is set once."""

from sqlalchemy import Connection, bindparam, select

from estiva.db.engine import lock_names
from estiva.db.schema import facts

STORE = "store"  # the identity of the store that holds this registry's bytes

_GET = select(facts.c.value).where(facts.c.name == bindparam("wanted"))


def settle(conn: Connection, name: str, value: str) -> str:
    """Return the fact's value; when it has none yet, that is `value` from now on."""
    lock_names(conn, [name])
    settled: str | None = conn.execute(_GET, {"wanted": name}).scalar_one_or_none()
    if settled is None:
        conn.execute(facts.insert(), {"name": name, "value": value})
        return value
    return settled
