# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, through SQLAlchemy and asyncpg; imported only where it is used.

1. Writes run under READ COMMITTED: rows are locked, then looked at (invariant 5). After a deadlock or a serialization
   failure they run again, after a pause of random length, a bounded number of times.
2. A connection that turns out to be lost before the commit is replaced, and the work runs again. When it is lost while
   committing, nobody knows whether the commit happened: the caller hears DatabaseUnavailable.
3. The pull path has connections of its own, driven without SQLAlchemy.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from estiva.db.engine import Function, HotQuery, P, T, Value
from estiva.db.migrate import CURRENT, Revisions, migrate
from estiva.db.queueing import Observer, Room
from estiva.errors import DatabaseUnavailable, DatabaseUnusable, StorageFull

POOL = 10  # connections of one process for everything ordinary, at most
HOT_POOL = 6  # for the pull path, each used for less than a millisecond at a time
LEAST = 2  # of either
# PostgreSQL accepts 100 in all, unless told otherwise, and while a server reloads it has twice its workers.
POOL_OF_ALL, HOT_POOL_OF_ALL = 24, 16
CONNECT_TIMEOUT = 10.0  # seconds
COMMAND_TIMEOUT = 60.0  # seconds for one statement: a server that vanished without a word must not be waited for
CONFLICT_ATTEMPTS = 10
LOST_ATTEMPTS = 2  # SQLAlchemy renews all its connections when one is lost, so once more is enough
MIGRATION_LOCK = 7_305_236_129_416_270_706  # any number that nobody else uses

# Set by statement, not when connecting: poolers such as PgBouncer refuse what they do not know.
SESSION = """
SET application_name = 'estiva';
SET lock_timeout = '20s';
SET idle_in_transaction_session_timeout = '60s';
SET jit = off
"""
RELAXED = "SET LOCAL synchronous_commit = off"

# PostgreSQL, appendix A
_CONFLICTS = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_FULL = {"53100"}  # disk_full
_SHUT_DOWN = {"57P01", "57P02", "57P03"}  # admin_shutdown, crash_shutdown, cannot_connect_now
_UNAVAILABLE = {"25006", "55P03", "57014"}  # read_only_sql_transaction (a standby), lock_not_available, query_canceled
_UNAVAILABLE_CLASSES = {"08", "53", "57", "58", "28", "3D"}  # connection, resources, operator, system, login, database
_DRIVER = (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


def _sqlstate(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None) or ""


def _is_lost(error: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    state = _sqlstate(error)
    return isinstance(error, ConnectionError) or state[:2] == "08" or state in _SHUT_DOWN


def translate(error: BaseException) -> None:
    """Raise the error of our tree that the driver's stands for, with it as the cause; return for any other."""
    state = _sqlstate(error)
    if state in _FULL:
        raise StorageFull("the disk of the database is full; free some room and try again") from error
    if (
        _is_lost(error)
        or isinstance(error, OSError | PoolTimeout)  # TimeoutError is an OSError
        or state in _CONFLICTS | _UNAVAILABLE
        or state[:2] in _UNAVAILABLE_CLASSES
    ):
        raise DatabaseUnavailable("the database cannot be reached or is too busy; try again") from error


async def _connect(url: str, command_timeout: float | None = COMMAND_TIMEOUT) -> asyncpg.Connection:
    try:
        # Statements stay prepared for as long as the connection lives: they are few.
        connection = await asyncpg.connect(
            url, timeout=CONNECT_TIMEOUT, command_timeout=command_timeout, max_cached_statement_lifetime=0
        )
    except ValueError:
        # Without its cause, which may quote the URL, and with it the password.
        raise DatabaseUnusable(
            "the URL of the database is malformed",
            hint="write postgresql://user:password@host/name; special characters of the password as %XX",
        ) from None
    await connection.execute(SESSION)
    return connection


class _Hot:
    """A few connections, the one used last first, without the housekeeping of asyncpg's pool."""

    def __init__(self, url: str, connections: int) -> None:
        self._url = url
        self._idle: list[asyncpg.Connection] = []
        self._room = asyncio.Semaphore(connections)

    async def row(self, sql: str, parameters: tuple[Value, ...]) -> tuple[Any, ...] | None:
        """Return the row; a connection that is lost is replaced once, since reading twice does no harm."""
        async with self._room:
            try:
                record = await self._fetch(sql, parameters)
            except _DRIVER as error:
                if not _is_lost(error) and not isinstance(error, asyncpg.InterfaceError):
                    raise
                await self.close()
                record = await self._fetch(sql, parameters)
        return None if record is None else tuple(record)

    async def _fetch(self, sql: str, parameters: tuple[Value, ...]) -> asyncpg.Record | None:
        connection = self._idle.pop() if self._idle else await _connect(self._url)
        try:
            return await connection.fetchrow(sql, *parameters)
        finally:
            if not connection.is_closed():
                self._idle.append(connection)

    async def close(self) -> None:
        """Close the connections that nobody is using."""
        while self._idle:
            self._idle.pop().terminate()


class _Door:
    """Counts who is inside, and lets nobody in any more once it is closed."""

    def __init__(self) -> None:
        self._inside = 0
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __enter__(self) -> None:
        if self._closed:
            raise DatabaseUnavailable("the database is being closed")
        self._inside += 1
        self._empty.clear()

    def __exit__(self, *error: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    async def close(self) -> None:
        """Wait until everybody has left."""
        self._closed = True
        await self._empty.wait()


class PostgresDatabase:
    """A database on a server; see `Database`. `most` callers may wait for one of its connections.

    `processes` share the connections that one server may have.
    """

    def __init__(self, url: str, most: int, observer: Observer, processes: int = 1) -> None:
        pool = _share(POOL, POOL_OF_ALL, processes)
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=partial(_connect, url), pool_size=pool, max_overflow=0
        )
        self._engine = engine
        self._writing = engine.execution_options(isolation_level="READ COMMITTED")
        # Several statements see one state, as on SQLite.
        self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._hot = _Hot(url, _share(HOT_POOL, HOT_POOL_OF_ALL, processes))
        self._door = _Door()
        self._room = Room(most, observer, served=pool)
        self._observer = observer
        self._statements: dict[HotQuery, str] = {}

    async def read(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction that may only read."""
        return await self._transact(self._reading, lambda conn: f(conn, *args, **kwargs))

    async def write(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction, committed as the server is set to: by default, synced."""
        return await self._change(lambda conn: f(conn, *args, **kwargs))

    async def note(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a transaction whose commit does not wait for the disk."""
        return await self._change(lambda conn: _relaxed(conn, lambda: f(conn, *args, **kwargs)))

    async def row(self, query: HotQuery, *parameters: Value) -> tuple[Any, ...] | None:
        """Run the query on the driver."""
        sql = self._statements.get(query)
        if sql is None:
            sql = self._statements[query] = query.compile(self._engine.dialect)
        with self._door:
            try:
                return await self._hot.row(sql, parameters)
            except _DRIVER as error:
                translate(error)
                raise

    def snapshot(self) -> int | None:
        """Refuse: every row takes a journey."""
        return None

    async def check(self) -> None:
        """Begin and commit a transaction on a server that may be written to."""
        await self.note(_refuse_standby)

    async def close(self) -> None:
        """Wait for what is under way, then close all connections."""
        await self._door.close()
        await self._engine.dispose()
        await self._hot.close()

    async def _change(self, call: Callable[[Connection], T]) -> T:
        changed = await self._transact(self._writing, call)
        self._observer.committed(1)
        return changed

    async def _transact(self, engine: AsyncEngine, call: Callable[[Connection], T]) -> T:
        with self._door:
            self._room.enter()
            try:
                return await _transact(engine, call)
            finally:
                self._room.leave()


def _share(most: int, of_all: int, processes: int) -> int:
    return max(LEAST, min(most, of_all // processes))


def _relaxed(conn: Connection, call: Callable[[], T]) -> T:
    conn.exec_driver_sql(RELAXED)
    return call()


def _refuse_standby(conn: Connection) -> None:
    if conn.exec_driver_sql("SELECT pg_is_in_recovery()").scalar():
        raise DatabaseUnavailable("the database server is a standby, which cannot be written to")


async def _transact(engine: AsyncEngine, call: Callable[[Connection], T]) -> T:
    attempt = 0
    while True:
        attempt += 1
        try:
            return await _once(engine, call)
        except _DRIVER as error:
            conflict = _sqlstate(error) in _CONFLICTS
            if attempt >= (CONFLICT_ATTEMPTS if conflict else LOST_ATTEMPTS if _is_lost(error) else 0):
                translate(error)
                raise
        await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 6)))  # noqa: S311 - spreads, keeps no secret


async def _once(engine: AsyncEngine, call: Callable[[Connection], T]) -> T:
    async with engine.connect() as conn:
        result = await conn.run_sync(call)
        try:
            await conn.commit()
        except _DRIVER as error:
            if _sqlstate(error) not in _CONFLICTS:
                translate(error)  # not to be tried again: the commit may have happened
            raise
    return result


async def prepare(url: str, revisions: Revisions = CURRENT) -> None:
    """Make sure that the database can be used and is of this version. Raises DatabaseUnusable."""
    # A migration may take as long as it takes, and waits for another process that migrates.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(_connect, url, None), poolclass=NullPool
    )
    try:
        async with engine.begin() as conn:
            await conn.run_sync(_migrate, revisions)
    except _DRIVER as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseUnusable(
            f"the database {_place(url)} cannot be opened: {str(reason) or type(reason).__name__}",
            hint="check that the server runs, and the URL's user, password, host and name of the database",
        ) from error
    finally:
        await engine.dispose()


def _place(url: str) -> str:
    """Return what of the URL is no secret."""
    parts = urlsplit(url)
    return f"{parts.path.lstrip('/')} on {parts.netloc.rpartition('@')[2]}"


def _migrate(conn: Connection, revisions: Revisions) -> None:
    conn.exec_driver_sql("SET LOCAL lock_timeout = 0")
    conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    migrate(conn, revisions, _no_copy)


def _no_copy(head: str) -> None:
    """Keep none: a failed migration is rolled back, and copies of a server's databases are its operator's business."""
