# SPDX-License-Identifier: Apache-2.0
"""The one thread that writes to SQLite.

1. It takes what has queued up and commits it as one transaction, each caller's work in a savepoint of its own: one
   sync of the disk serves many callers (group commit). Everybody hears after the commit.
2. Two connections write: `synced` waits for the disk at each commit, for what an acknowledgement depends on;
   `unsynced` does not, for what a power cut may take back. A synced commit makes the earlier ones durable too.
3. A caller's error takes back its own savepoint. When the transaction as a whole is lost, as on a full disk, each
   caller gets one of its own, and an error of its own: what frees room may still go through.
4. A caller that is cancelled before its turn is passed over; later, its work happens and nobody is told.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from estiva.errors import DatabaseUnavailable

BATCH = 128  # callers served by one commit at most, so that the first of them does not wait for ever


@dataclass(slots=True, eq=False)
class _Job:
    """What one caller asked for, where the answer goes, and what it is."""

    call: Callable[[Connection], Any]
    durable: bool
    answer: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None

    def run(self, conn: Connection) -> None:
        """Call the function; its error is the caller's, never the thread's."""
        try:
            self.value, self.error = self.call(conn), None
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


class Writer:
    """Runs functions that write, one batch after the other."""

    def __init__(self, synced: Connection, unsynced: Connection, translate: Callable[[BaseException], None]) -> None:
        self._synced = synced
        self._unsynced = unsynced
        self._translate = translate
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="estiva-sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[Connection], Any], *, durable: bool) -> Any:
        """Run `call` in a transaction and return its result after the commit."""
        if self._closed:
            raise DatabaseUnavailable("the database is being closed")
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
        while not stopping:
            batch, stopping = self._gather()
            if batch and not self._together(batch):
                for job in batch:
                    self._alone(job)
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it everybody who waited
                self._loop.call_soon_threadsafe(_tell, batch)
        self._synced.close()
        self._unsynced.close()

    def _gather(self) -> tuple[list[_Job], bool]:
        """Wait for a job; return it and what has queued up behind it, and whether the end has come."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            if not job.answer.cancelled():
                batch.append(job)
            if len(batch) == BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _together(self, batch: list[_Job]) -> bool:
        """Run the jobs in one transaction; False when that is lost as a whole, or not worth trying."""
        if len(batch) == 1:
            return False
        conn = self._synced if any(job.durable for job in batch) else self._unsynced
        try:
            transaction = conn.begin()
        except DBAPIError as error:
            # Another program holds the lock. It was waited for; not once more for each.
            for job in batch:
                job.error = error
                self._explain(job)
            return True
        try:
            with transaction:
                for job in batch:
                    self._in_savepoint(conn, job)
        except DBAPIError:
            return False
        return True

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
            with (self._synced if job.durable else self._unsynced).begin() as transaction:
                job.run(transaction.connection)
                if job.error is not None:
                    transaction.rollback()
        except DBAPIError as error:
            job.error = job.error or error
        self._explain(job)

    def _explain(self, job: _Job) -> None:
        """Put the error of our tree in the place of the driver's."""
        if job.error is None:
            return
        try:
            self._translate(job.error)
        except BaseException as error:  # noqa: BLE001
            job.error = error


def _tell(batch: list[_Job]) -> None:
    for job in batch:
        job.tell()
