# SPDX-License-Identifier: Apache-2.0
"""SQLite: one file, one writer thread, readers beside it.

1. Every transaction that may write begins with BEGIN IMMEDIATE: turning a read into a write later fails at once when
   somebody else has written meanwhile, whatever the timeout.
2. One thread writes. It takes what has queued up and commits it as one transaction, each caller's work in a savepoint
   of its own: one sync of the disk serves many callers (group commit). Everybody hears after the commit.
3. Two connections write: one syncs at each commit, for what an acknowledgement depends on; the other does not, for
   what a power cut may take back. A later synced commit makes the earlier ones durable too.
4. Nobody else opens the file while it is served: closing it would drop this process's locks (POSIX).
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import sqlite as dialects
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from estiva.db.engine import Function, HotQuery, P, T
from estiva.errors import DatabaseUnavailable, DatabaseUnusable, EstivaError, StorageFull

READERS = 2  # threads; lists and status questions only, the pull path reads in the event loop's thread
BATCH = 128  # callers served by one commit at most, so that the first of them does not wait for ever

PRAGMAS = (
    "busy_timeout = 10000",  # ms; only a backup or a migration ever holds the file that long
    "foreign_keys = ON",
    "cache_size = -32768",  # KiB per connection
    "mmap_size = 268435456",  # bytes; reads of hot pages cost no system call
    "temp_store = MEMORY",
    "journal_size_limit = 67108864",  # bytes; gives back what one long transaction made the log grow to
)
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "ncpfs", "virtiofs"}


def connect(path: Path, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open a connection whose transactions begin only where they are told to; any thread may use it, one at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in (*PRAGMAS, f"synchronous = {synchronous}"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def make_engine(path: Path, *, begin: str, synchronous: str = "FULL") -> Engine:
    """Return an engine whose transactions begin with the statement `begin`."""
    engine = create_engine("sqlite://", creator=lambda: connect(path, synchronous=synchronous), poolclass=NullPool)
    event.listen(engine, "begin", lambda conn: conn.exec_driver_sql(begin))
    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the driver's errors that are no fault of ours into those of our tree."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(cause, "sqlite_errorcode", None)
        if code is not None and code & 0xFF == sqlite3.SQLITE_FULL:
            raise StorageFull("the disk of the database is full; free some room and try again") from error
        if isinstance(cause, sqlite3.OperationalError):
            raise DatabaseUnavailable(f"the database cannot be used: {cause}") from error
        raise


@dataclass(frozen=True, slots=True)
class _Job:
    """What one caller asked for, and where the answer goes."""

    call: Callable[[Connection], Any]
    durable: bool
    answer: "Future[Any]"


class _Writer(threading.Thread):
    """The writer thread."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="estiva-sqlite-writer", daemon=True)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._synced = make_engine(path, begin="BEGIN IMMEDIATE").connect()
        self._unsynced = make_engine(path, begin="BEGIN IMMEDIATE", synchronous="NORMAL").connect()
        self.commits = 0

    def submit(self, job: _Job) -> None:
        self._jobs.put(job)

    def stop(self) -> None:
        self._jobs.put(None)

    def run(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch, stopping = self._gather(first)
            self._serve(batch)
            if stopping:
                break
        self._synced.close()
        self._unsynced.close()

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        batch = [first]
        while len(batch) < BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _serve(self, batch: list[_Job]) -> None:
        conn = self._synced if any(job.durable for job in batch) else self._unsynced
        try:
            results = self._transact(conn, batch)
        except Exception as error:  # noqa: BLE001 - told to every caller it concerns
            if len(batch) > 1:
                # The transaction is lost for all; each gets one of its own, and an error of its own.
                for job in batch:
                    self._serve([job])
                return
            results = [(None, error)]
        for job, (value, failure) in zip(batch, results, strict=True):
            if failure is None:
                job.answer.set_result(value)
            else:
                job.answer.set_exception(failure)

    def _transact(self, conn: Connection, batch: list[_Job]) -> list[tuple[Any, Exception | None]]:
        with conn.begin():
            if len(batch) == 1:
                results: list[tuple[Any, Exception | None]] = [(batch[0].call(conn), None)]
            else:
                results = [self._run_nested(conn, job) for job in batch]
        self.commits += 1
        return results

    @staticmethod
    def _run_nested(conn: Connection, job: _Job) -> tuple[Any, Exception | None]:
        nested = conn.begin_nested()
        try:
            value = job.call(conn)
        except EstivaError as error:
            nested.rollback()
            return None, error
        # Any other error may have ended the whole transaction (a full disk does): it is told one by one.
        nested.commit()
        return value, None


class SqliteDatabase:
    """A database in a file; see `Database`."""

    def __init__(self, path: Path) -> None:
        self._writer = _Writer(path)
        self._writer.start()
        self._readers = ThreadPoolExecutor(READERS, "estiva-sqlite-reader")
        self._reading = make_engine(path, begin="BEGIN")
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._hot = connect(path)
        self._statements: dict[HotQuery, tuple[str, tuple[int, ...]]] = {}

    async def read(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in a reader thread."""
        loop = asyncio.get_running_loop()
        with _translated():
            return await loop.run_in_executor(self._readers, self._read, lambda conn: f(conn, *args, **kwargs))

    def _read(self, call: Callable[[Connection], T]) -> T:
        conn: Connection | None = getattr(self._local, "conn", None)
        if conn is None:
            conn = self._local.conn = self._reading.connect()
            self._opened.append(conn)
        with conn.begin():
            return call(conn)

    async def write(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in the writer thread, synced."""
        return await self._submit(lambda conn: f(conn, *args, **kwargs), durable=True)

    async def note(self, f: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `f` in the writer thread, not synced."""
        return await self._submit(lambda conn: f(conn, *args, **kwargs), durable=False)

    async def _submit(self, call: Callable[[Connection], T], *, durable: bool) -> T:
        answer: Future[T] = Future()
        self._writer.submit(_Job(call, durable, answer))
        with _translated():
            # Shielded: what is queued happens, whether or not its caller still waits.
            return await asyncio.shield(asyncio.wrap_future(answer))

    async def row(self, query: HotQuery, *parameters: int | str | bytes) -> Sequence[Any] | None:
        """Run the query at once, in the event loop's thread: it takes microseconds."""
        known = self._statements.get(query)
        if known is None:
            known = self._statements[query] = query.compile(dialects.dialect(paramstyle="qmark"))
        sql, places = known
        with _translated():
            row: tuple[Any, ...] | None = self._hot.execute(sql, [parameters[place] for place in places]).fetchone()
            return row

    async def check(self) -> None:
        """Read and write nothing much, on both sides."""
        await self.write(lambda conn: conn.exec_driver_sql("SELECT 1").scalar())

    async def close(self) -> None:
        """Finish the queue, then close every connection."""
        self._writer.stop()
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        for conn in self._opened:
            conn.close()
        self._hot.close()


async def open_sqlite(location: str) -> SqliteDatabase:
    """Open the file, making and migrating it as needed. Raises DatabaseUnusable."""
    return SqliteDatabase(await asyncio.to_thread(prepare, location))


def prepare(location: str) -> Path:
    """Make sure that the file can be used safely, and is of this version. Raises DatabaseUnusable."""
    from estiva.db.migrate import migrate_sqlite

    path = Path(location).absolute()
    kind = _file_system(path.parent)
    if kind in _REMOTE or kind.startswith("fuse."):
        raise DatabaseUnusable(
            f"the database cannot be on a file system of type {kind}: its locks are not safe there",
            hint="put it on a local disk with --database PATH, or use PostgreSQL: --database postgresql://...",
        )
    try:
        connection = connect(path)
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise DatabaseUnusable(
            f"the database {path} cannot be opened: {error}",
            hint="check that the directory exists and that this user may write to it",
        ) from error
    if mode != "wal":
        raise DatabaseUnusable(
            f"the file system of {path} cannot do write-ahead logging",
            hint="put the database on a local disk with --database PATH, or use PostgreSQL",
        )
    migrate_sqlite(path)
    return path


def _file_system(directory: Path) -> str:
    """Return the type of the file system that holds the directory; empty when the kernel does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found = ("", "")
    for line in mounts:
        _, place, kind, *_ = line.split(" ")
        place = place.encode().decode("unicode_escape")  # a space in a path is written \040
        if directory.is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]
