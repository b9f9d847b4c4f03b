# SPDX-License-Identifier: Apache-2.0
"""SQLite: one file, one writer thread in each process, readers beside it.

1. Every transaction that may write begins with BEGIN IMMEDIATE: turning a read into a write later fails at once when
   somebody else has written meanwhile, whatever the timeout.
2. Writes go through `writer`; lists and status questions through a few reader threads, each with a connection of its
   own; the pull path reads in the event loop's thread, since that takes microseconds.
3. Nobody opens the file by other means while it is served: closing it would drop this process's locks (POSIX). Copies
   go through SQLite's backup API.
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from estiva.db.engine import Function, HotQuery, P, T, Value
from estiva.db.migrate import CURRENT, Revisions, migrate
from estiva.db.mounts import unsuitable
from estiva.db.queueing import Observer
from estiva.db.turns import Turns, lock_file
from estiva.db.writer import Channel, Writer
from estiva.errors import DatabaseUnavailable, DatabaseUnusable, StorageFull

READERS = 4  # threads; lists and status questions wait for the disk more than for the processor
LOCAL = "put it on a local disk with --database PATH, or use PostgreSQL: --database postgresql://..."

PRAGMAS = (
    # Without it SQLite keeps no foreign key at all.
    "foreign_keys = ON",
    # Milliseconds. Estiva's processes take turns, so only another program makes one wait: a copy, a curious operator.
    "busy_timeout = 10000",
    # KiB per connection, but for those that read lists: the inner pages of every index of a million manifests.
    "cache_size = -16384",
    # Bytes. Mapping the file saves a few microseconds per look-up, but then a bad sector is not an error, it is SIGBUS.
    "mmap_size = 0",
    # Never in files: a full disk must not keep anybody from deleting, and savepoints and sorts are small.
    "temp_store = MEMORY",
    # Pages of 4 KiB. Four times the default: each checkpoint syncs twice, while everybody who writes waits.
    "wal_autocheckpoint = 4000",
    # Bytes. After a checkpoint the log shrinks to this, however large one long reader made it grow.
    "journal_size_limit = 67108864",
)

# Lists are read once, from one end to the other.
LISTING = "cache_size = -4096"

_BEGIN = "estiva_begin"  # the execution option that says how a connection's transactions begin


def connect(path: Path, *pragmas: str) -> sqlite3.Connection:
    """Open the file, which exists; transactions begin where they are told to; one thread at a time may use it."""
    # By URI, since by path SQLite would make an empty file in the place of one that was moved away while serving.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in (*PRAGMAS, *pragmas):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _engine(path: Path, begin: str, *pragmas: str) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: connect(path, *pragmas),
        poolclass=NullPool,
        execution_options={_BEGIN: begin},
    )
    event.listen(engine, "begin", _begin)
    return engine


def _begin(conn: Connection) -> None:
    """Begin a transaction; the only place that does."""
    conn.exec_driver_sql(conn.get_execution_options()[_BEGIN])


def translate(error: BaseException) -> None:
    """Raise the error of our tree that the driver's stands for, with it as the cause; return for any other."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, sqlite3.Error):
        return
    code = getattr(cause, "sqlite_errorcode", 0)
    # The index of the log grows by writing to it, which fails as an I/O error when the disk is full.
    if code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        raise StorageFull("the disk of the database is full; free some room and try again") from error
    # IntegrityError, InterfaceError, ProgrammingError: faults of ours, told as they are.
    if type(cause) in (sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.InternalError):
        raise DatabaseUnavailable(f"the database cannot be used: {cause}") from error


class SqliteDatabase:
    """A database in a file; see `Database`. Made in the event loop that uses it; `most` callers may wait to write."""

    def __init__(self, path: Path, most: int, observer: Observer) -> None:
        channel = Channel(
            synced=_engine(path, "BEGIN IMMEDIATE", "synchronous = FULL").connect(),
            unsynced=_engine(path, "BEGIN IMMEDIATE", "synchronous = NORMAL").connect(),
            turns=Turns(path),
            translate=translate,
        )
        self._writer = Writer(channel, most, observer)
        self._reading = _engine(path, "BEGIN", "query_only = ON", LISTING)
        self._readers = ThreadPoolExecutor(READERS, "estiva-sqlite-reader")
        self._own = threading.local()
        self._opened: list[Connection] = []
        # It waits in the event loop's thread, so not for long; readers hardly ever wait at all (sqlite.org, "WAL").
        self._hot = connect(path, "query_only = ON", "busy_timeout = 100")
        self._cursor = self._hot.cursor()
        self._loop = asyncio.get_running_loop()  # asking for it each time costs a system call
        self._state = 0
        self._turn = -1.0  # when the turn began in which a snapshot is being read; negative: none is
        self._statements: dict[HotQuery, str] = {}
        self._closed = False

    async def read(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a reader thread."""
        self._check_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, lambda conn: f(conn, *args, **kwargs))

    def _read(self, call: Callable[[Connection], T]) -> T:
        try:
            conn: Connection | None = getattr(self._own, "conn", None)
            if conn is None:
                conn = self._own.conn = self._reading.connect()
                self._opened.append(conn)
            with conn.begin():
                return call(conn)
        except (DBAPIError, sqlite3.Error) as error:
            translate(error)
            raise

    async def write(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in the writer thread, synced."""
        result: T = await self._writer.run(lambda conn: f(conn, *args, **kwargs), durable=True)
        return result

    async def note(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in the writer thread, not synced."""
        result: T = await self._writer.run(lambda conn: f(conn, *args, **kwargs), durable=False)
        return result

    async def row(self, query: HotQuery, *parameters: Value) -> tuple[Any, ...] | None:
        """Run the query at once, in the event loop's thread."""
        sql = self._statements.get(query)
        if sql is None:
            sql = self._statements[query] = query.compile(self._reading.dialect)
        self._check_open()
        try:
            found: tuple[Any, ...] | None = self._cursor.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            translate(error)
            raise
        return found

    def snapshot(self) -> int | None:
        """Begin a transaction for the rows that are read until the turn ends: taking its locks is half their cost.

        uvloop calls the sockets that are ready one by one, and may then look for more in the same turn; but it looks at
        the clock each time, and so do we. What was ready at that time had arrived before this transaction began.
        """
        turn = self._loop.time()
        if self._turn == turn:
            return self._state
        try:
            self._end_snapshot()
            self._cursor.execute("BEGIN")
            # Takes the lock, and is another number whenever others have committed (sqlite.org, "PRAGMA data_version").
            (self._state,) = self._cursor.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            self._end_snapshot()
            return None
        self._turn = turn
        self._loop.call_soon(self._end_snapshot)
        return self._state

    def _end_snapshot(self) -> None:
        self._turn = -1.0
        with contextlib.suppress(sqlite3.Error):  # the connection is closed
            if self._hot.in_transaction:
                self._hot.rollback()

    async def check(self) -> None:
        """Begin and end a transaction that may write, and read."""
        await self.note(_nothing)
        await self.read(_nothing)

    async def close(self) -> None:
        """Finish the queue, then close every connection; the last one empties the log."""
        self._closed = True
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        for conn in self._opened:
            conn.close()
        self._hot.close()

    def _check_open(self) -> None:
        if self._closed:
            raise DatabaseUnavailable("the database is being closed")


def _nothing(conn: Connection) -> None:
    conn.exec_driver_sql("SELECT 1")


def prepare(path: Path, revisions: Revisions = CURRENT) -> None:
    """Make sure that the file can be used safely and is of this version. Raises DatabaseUnusable."""
    kind = unsuitable(path)
    if kind is not None:
        raise DatabaseUnusable(
            f"the database {path} cannot be on a file system of type {kind}: several programs cannot share memory and "
            "locks there",
            hint=LOCAL,
        )
    try:
        _make_private(path)
        with contextlib.closing(connect(path)) as connection:
            require_wal(connection, path)
            _try_writing(connection)
        _make_private(lock_file(path))
        _migrate(path, revisions)
    except (OSError, DBAPIError, sqlite3.Error) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseUnusable(
            f"the database {path} cannot be opened: {reason}",
            hint="check that the directory exists, that this user may write to it and to the file, and that the disk "
            "is not full",
        ) from error


def require_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Turn write-ahead logging on, for good. Raises DatabaseUnusable when the file system cannot do it."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise DatabaseUnusable(f"the file system of {path} cannot do write-ahead logging", hint=LOCAL)


def _try_writing(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.OperationalError for a file that may only be read: until the first write, SQLite says nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("PRAGMA user_version = 0")
    finally:
        connection.execute("ROLLBACK")


def _migrate(path: Path, revisions: Revisions) -> None:
    # Foreign keys are off, since a migration may make a table anew, and are looked at before the commit.
    engine = _engine(path, "BEGIN IMMEDIATE", "synchronous = FULL", "foreign_keys = OFF")
    with engine.connect() as conn, conn.begin():
        migrated = migrate(conn, revisions, lambda head: _keep_copy(path, path.with_name(f"{path.name}.before-{head}")))
        # It reads every row, so not at each start.
        broken = conn.exec_driver_sql("PRAGMA foreign_key_check").first() if migrated else None
        if broken is not None:
            raise DatabaseUnusable(
                f"the migration would leave rows of {broken[0]} that refer to nothing; nothing was changed",
                hint="please report this; the version of Estiva used before still works",
            )


def _keep_copy(path: Path, copy: Path) -> None:
    """Copy the database as it was last committed; the copy has its name only when it is complete and synced."""
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    _make_private(unfinished)
    with contextlib.closing(connect(path)) as source, contextlib.closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    # SQLite has synced the file; its name comes to be in one step.
    unfinished.replace(copy)
    descriptor = os.open(copy.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_private(path: Path) -> None:
    """Make the file, unless it is there: not for everybody to read, unlike those that SQLite makes."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
