# SPDX-License-Identifier: Apache-2.0
"""How db functions run: on SQLite or on PostgreSQL.

Every difference between the two is in this file and in `sqlite`, `writer` and `postgres`; the rest of the floor never
asks which one it is.

A db function is `def f(conn: Connection, ...)`. It is called inside a transaction, awaits nothing, and may be called
again when that transaction met a conflict: so it has no effect but on the database.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import BigInteger, Connection, Executable, Select, Table, bindparam, case, false, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

P = ParamSpec("P")
T = TypeVar("T")

Function = Callable[Concatenate[Connection, P], T]
Value = int | str | bytes


class HotQuery:
    """A query of the pull path: built once, compiled once per database, run on the driver past SQLAlchemy.

    It answers at most one row. `parameters` names its bind parameters in the order in which callers give them. Its
    columns are integers, text and bytes only, since nobody converts them.
    """

    def __init__(self, statement: Select[Any], *parameters: str) -> None:
        self.statement = statement
        self.parameters = parameters

    def compile(self, dialect: Dialect) -> str:
        """Return the SQL; its places take the parameters in the order of `parameters`, each once."""
        compiled = self.statement.compile(dialect=dialect)
        places = tuple(getattr(compiled, "positiontup", None) or ())
        assert places == self.parameters, f"the places are {places}"
        return compiled.string


class Database(Protocol):
    """Runs db functions.

    Raises DatabaseUnavailable, StorageFull, TooBusy when too many wait already, what the functions raise, and nothing
    of a driver's own except for faults of ours. A caller that is cancelled is told neither success nor failure: the
    transaction happens or not.
    """

    async def read(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction that sees one state of the database and changes nothing."""

    async def write(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction, and return when what it did survives a power cut."""

    async def note(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction that everybody sees from now on, but that a power cut may take back."""

    async def row(self, query: HotQuery, *parameters: Value) -> tuple[Any, ...] | None:
        """Return the row of the query, or None."""

    def snapshot(self) -> int | None:
        """Let `row` answer without suspending its caller, and return the state that it reads; None when it cannot.

        What it answers until this turn of the event loop ends may be of one state of the database, not older than this
        call: so call it in the callback of a socket, on behalf of bytes that came by it. States that are equal, from
        one call to the next, are one: every row is as it was.
        """

    async def check(self) -> None:
        """Prove that the database answers, reading and writing. Raises DatabaseUnavailable."""

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""


_LOCK_NAME = select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger)))


def insert_or_lock(conn: Connection, table: Table, key: Collection[str], values: dict[str, Any]) -> bool:
    """Insert a row and return True; when one with that key is there, lock it and return False.

    Waits for a transaction that is inserting the same key. Were the row only passed over, it could be deleted by
    somebody else between this statement and the next (invariant 5).
    """
    # An update that no row meets still locks the row that it looked at (PostgreSQL, "INSERT", ON CONFLICT).
    unchanged = {"created_at": table.c.created_at}
    statement = _on_conflict(conn.dialect.name, table, tuple(key), tuple(unchanged), lock_only=True)
    return conn.execute(statement, values).rowcount == 1


def lock_names(conn: Connection, names: Collection[str]) -> None:
    """Lock names that have no row yet, until the transaction ends; whoever does the same waits.

    Of rows that exist, `FOR UPDATE` takes care. SQLite has one writer, and needs neither.
    """
    if conn.dialect.name == "sqlite":
        return
    for name in sorted(set(names)):
        key = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)
        conn.execute(_LOCK_NAME, {"key": key})


def upsert(conn: Connection, table: Table, key: Collection[str], values: dict[str, Any]) -> None:
    """Insert a row, or give the one with that key all the other values."""
    changed = tuple(name for name in values if name not in key)
    conn.execute(_on_conflict(conn.dialect.name, table, tuple(key), changed, lock_only=False), values)


def values_of(row: Any) -> dict[str, Any]:
    """Return the values of a dataclass with slots by their names; `asdict` copies them one by one, which is slow."""
    return {name: getattr(row, name) for name in row.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class Adding:
    """How numbers are added to rows of a table that belong to rows of another one.

    `found` selects the values of `key` and then the new numbers, from the row that must be there, under bind
    parameters. Columns of `sums` are added to, those of `latest` keep the greater value.
    """

    table: Table
    key: tuple[str, ...]
    sums: tuple[str, ...]
    latest: tuple[str, ...]
    found: Select[Any]


def add(conn: Connection, adding: Adding, rows: list[dict[str, Any]]) -> None:
    """Add to each row, making it when there is none; a row whose owner is gone is passed over."""
    if rows:
        conn.execute(_adding(conn.dialect.name, adding), rows)


@cache
def _adding(dialect: str, adding: Adding) -> Executable:
    table = adding.table
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect](table)
    new = insert.excluded
    changed = {name: table.c[name] + new[name] for name in adding.sums}
    changed |= {name: case((new[name] > table.c[name], new[name]), else_=table.c[name]) for name in adding.latest}
    # The owner must not go between the look at it and the new row that refers to it.
    owned = adding.found.with_for_update(read=True, key_share=True)
    filled = insert.from_select([*adding.key, *adding.sums, *adding.latest], owned)
    statement: Executable = filled.on_conflict_do_update(index_elements=list(adding.key), set_=changed)
    return statement


@cache
def _on_conflict(
    dialect: str, table: Table, key: tuple[str, ...], changed: tuple[str, ...], *, lock_only: bool
) -> Executable:
    """Return the statement; both databases have it, SQLAlchemy has a class of it for each."""
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect](table)
    new = {name: table.c[name] if lock_only else insert.excluded[name] for name in changed}
    statement: Executable = insert.on_conflict_do_update(
        index_elements=list(key), set_=new, where=false() if lock_only else None
    )
    return statement
