# SPDX-License-Identifier: Apache-2.0
"""How db functions run: on SQLite or on PostgreSQL. Every difference between the two is in this file's two neighbours.

A db function is `def f(conn: Connection, ...)`. It is called inside a transaction, awaits nothing, and may be called
again when that transaction met a conflict: so it has no effect but on the database.
"""

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, Executable, Select, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

P = ParamSpec("P")
T = TypeVar("T")

Function = Callable[Concatenate[Connection, P], T]


class HotQuery:
    """A query of the pull path: built once, compiled once per dialect, run on the driver.

    `parameters` names its bind parameters in the order in which callers give them. Its columns are integers, text and
    bytes.
    """

    def __init__(self, statement: Select[Any], *parameters: str) -> None:
        self.statement = statement
        self.parameters = parameters

    def compile(self, dialect: Dialect) -> tuple[str, tuple[int, ...]]:
        """Return the SQL, and for each of its places the index of the parameter that goes there."""
        compiled = self.statement.compile(dialect=dialect)
        places = getattr(compiled, "positiontup", None) or []
        return compiled.string, tuple(self.parameters.index(name) for name in places)


class Database(Protocol):
    """Runs db functions.

    Raises DatabaseUnavailable and StorageFull, what the functions raise, and nothing of a driver's own except for
    faults of ours.
    """

    async def read(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction that sees one state of the database and changes nothing."""

    async def write(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction, and return when what it did survives a power cut."""

    async def note(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction that everybody sees from now on, but that a power cut may take back."""

    async def row(self, query: HotQuery, *parameters: int | str | bytes) -> Sequence[Any] | None:
        """Return the first row of the query, or None."""

    async def check(self) -> None:
        """Prove that the database answers. Raises DatabaseUnavailable."""

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""


async def open_database(location: str) -> Database:
    """Open the database at a path (SQLite) or a `postgresql://` URL, migrating it when it is of an older version.

    Raises DatabaseUnusable.
    """
    if location.startswith(("postgresql://", "postgres://")):
        from estiva.db.postgres import open_postgres

        return await open_postgres(location)
    from estiva.db.sqlite import open_sqlite

    return await open_sqlite(location)


def insert_or_ignore(conn: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one with its key is there; tell whether it was inserted.

    On PostgreSQL this waits for a transaction that is inserting the same key.
    """
    statement: Executable
    if conn.dialect.name == "sqlite":
        statement = sqlite.insert(table).values(values).on_conflict_do_nothing()
    else:
        statement = postgresql.insert(table).values(values).on_conflict_do_nothing()
    return conn.execute(statement).rowcount == 1


def upsert(conn: Connection, table: Table, values: dict[str, Any], changed: Sequence[str]) -> None:
    """Insert a row, or change the columns `changed` of the one that has its primary key."""
    key = [column.name for column in table.primary_key]
    new = {name: values[name] for name in changed}
    statement: Executable
    if conn.dialect.name == "sqlite":
        statement = sqlite.insert(table).values(values).on_conflict_do_update(index_elements=key, set_=new)
    else:
        statement = postgresql.insert(table).values(values).on_conflict_do_update(index_elements=key, set_=new)
    conn.execute(statement)
