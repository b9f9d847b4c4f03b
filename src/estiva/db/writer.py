# SPDX-License-Identifier: Apache-2.0
"""The one thread that writes to SQLite.

1. It takes what has queued up and commits it as one transaction: one sync of the disk serves many callers (group
   commit). Everybody hears after the commit.
2. Two connections write: `synced` waits for the disk at each commit, for what an acknowledgement depends on;
   `unsynced` does not, for what a power cut may take back. A synced commit makes the earlier ones durable too.
3. A caller's error takes back the whole transaction, which then runs again with each caller's work in a savepoint of
   its own, so that the error takes back no more than that. Errors are rare, and a savepoint costs two statements.
   When the transaction as a whole is lost, as on a full disk, each caller gets one of its own, and an error of its
   own: what frees room may still go through.
4. A caller that is cancelled before its turn is passed over; later, its work happens and nobody is told.
5. Other processes write too: each transaction waits for the turn (`turns`), and takes along what has queued up by
   then. Between transactions the turn is free.
6. So many callers may wait; whoever comes then is refused, and told so.
7. The thread outlives every error. One that nobody foresaw is logged, and told to those of its batch whose outcome is
   not known; whatever transaction it left open is taken back before the next batch.
"""

import asyncio
import contextlib
import errno
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from estiva.db.queueing import Observer, Room
from estiva.db.turns import Turns
from estiva.errors import DatabaseUnavailable

_log = structlog.get_logger("estiva.db")

BATCH = 128  # callers served by one commit at most, so that the first of them does not wait for ever


class _Failed(Exception):
    """A job has failed, so the transaction is taken back."""


class _Locked(Exception):
    """No transaction could be begun; its cause says why."""


@dataclass(slots=True, eq=False)
class _Job:
    """What one caller asked for, where the answer goes, what it is, and whether it is known: after the commit."""

    call: Callable[[Connection], Any]
    durable: bool
    answer: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None
    known: bool = False

    def run(self, conn: Connection) -> None:
        """Call the function; its error is the caller's, never the thread's."""
        try:
            self.value, self.error = self.call(conn), None
        except StopIteration as error:  # no future takes it
            self.value, self.error = None, RuntimeError("nothing was left to iterate over")
            self.error.__cause__ = error
        except BaseException as error:  # noqa: BLE001
            self.value, self.error = None, error

    def tell(self) -> None:
        """Answer the caller, in the event loop's thread, unless it is gone."""
        if self.answer.done():
            return
        if self.error is None:
            self.answer.set_result(self.value)
        else:
            self.answer.set_exception(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What the writer writes through: connections that sync and do not, the turn, and the driver's errors explained."""

    synced: Connection
    unsynced: Connection
    turns: Turns
    translate: Callable[[BaseException], None]

    def renew(self) -> None:
        """Take back whatever transaction is open, by closing the connections; their next use opens them again.

        An error may come between SQLAlchemy's beginning and the driver's, and leave the one without the other.
        """
        for conn in (self.synced, self.unsynced):
            with contextlib.suppress(Exception):
                conn.rollback()
            with contextlib.suppress(Exception):
                conn.invalidate()

    def close(self) -> None:
        """Let go of the database."""
        self.synced.close()
        self.unsynced.close()
        self.turns.close()


class Writer:
    """Runs functions that write, one batch after the other; `most` callers may wait."""

    def __init__(self, channel: Channel, most: int, observer: Observer) -> None:
        self._channel = channel
        self._room = Room(most, observer)
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="estiva-sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[Connection], Any], *, durable: bool) -> Any:
        """Run `call` in a transaction and return its result after the commit. Raises TooBusy."""
        if self._closed:
            raise DatabaseUnavailable("the database is being closed")
        self._room.enter()
        job = _Job(call, durable, self._loop.create_future())
        self._jobs.put(job)
        return await job.answer

    async def close(self) -> None:
        """Finish what is queued, end the thread and close its connections."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        stopping = False
        while not stopping and (first := self._jobs.get()) is not None:
            batch = [first]
            try:
                with self._channel.turns.turn():
                    stopping = self._gather(batch)
                    self._commit([job for job in batch if not job.answer.cancelled()])
            except OSError as error:
                stopping = stopping or self._gather(batch)
                _fail(batch, os.strerror(error.errno or errno.EIO), error)
            except BaseException as error:  # noqa: BLE001 - without this thread nobody could write again
                self._channel.renew()
                _log.exception("writing_failed", callers=len(batch))
                _fail(batch, "a fault of the server, which its log tells of", error)
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it everybody who waited
                self._loop.call_soon_threadsafe(self._tell, batch)
        self._channel.close()

    def _gather(self, batch: list[_Job]) -> bool:
        """Add what has queued up behind the first job; tell whether the end has come."""
        with contextlib.suppress(queue.Empty):
            while len(batch) < BATCH:
                job = self._jobs.get_nowait()
                if job is None:
                    return True
                batch.append(job)
        return False

    def _commit(self, batch: list[_Job]) -> None:
        if batch and not self._together(batch):
            for job in batch:
                self._alone(job)

    def _tell(self, batch: list[_Job]) -> None:
        self._observer.committed(len(batch))
        self._room.leave(len(batch))
        for job in batch:
            job.tell()

    def _together(self, batch: list[_Job]) -> bool:
        """Run the jobs in one transaction; False when that is lost as a whole, or not worth trying."""
        if len(batch) == 1:
            return False
        conn = self._channel.synced if any(job.durable for job in batch) else self._channel.unsynced
        try:
            return self._try(conn, batch, self._in_the_open) or self._try(conn, batch, self._in_savepoint)
        except _Locked as locked:
            # Another program holds the lock. It was waited for; not once more for each.
            for job in batch:
                job.error = locked.__cause__
                self._explain(job)
            return True

    def _try(self, conn: Connection, batch: list[_Job], run: Callable[[Connection, _Job], None]) -> bool:
        """Run the jobs in one transaction; False when it was taken back. Raises _Locked."""
        try:
            transaction = conn.begin()
        except DBAPIError as error:
            raise _Locked from error
        try:
            with transaction:
                for job in batch:
                    run(conn, job)
        except (DBAPIError, _Failed):
            return False
        for job in batch:
            job.known = True
        return True

    @staticmethod
    def _in_the_open(conn: Connection, job: _Job) -> None:
        job.run(conn)
        if job.error is not None:
            raise _Failed

    def _in_savepoint(self, conn: Connection, job: _Job) -> None:
        savepoint = conn.begin_nested()
        job.run(conn)
        # Either fails when an error has ended the whole transaction.
        if job.error is None:
            savepoint.commit()
        else:
            savepoint.rollback()
            self._explain(job)

    def _alone(self, job: _Job) -> None:
        try:
            with (self._channel.synced if job.durable else self._channel.unsynced).begin() as transaction:
                job.run(transaction.connection)
                if job.error is not None:
                    transaction.rollback()
        except DBAPIError as error:
            job.error = job.error or error
        self._explain(job)
        job.known = True

    def _explain(self, job: _Job) -> None:
        """Put the error of our tree in the place of the driver's."""
        if job.error is None:
            return
        try:
            self._channel.translate(job.error)
        except BaseException as error:  # noqa: BLE001
            job.error = error


def _fail(batch: list[_Job], why: str, cause: BaseException) -> None:
    for job in batch:
        if not job.known:
            job.error = DatabaseUnavailable(f"the database cannot be used: {why}")
            job.error.__cause__ = cause
