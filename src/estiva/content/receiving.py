# SPDX-License-Identifier: Apache-2.0
"""Take the body of one request into one object.

1. Bytes are gathered into batches; a batch is written and hashed in a worker thread while the next one is read.
2. At most two batches exist at a time, whatever the size of the blob and however slow the peer or the disk
   (invariant 13). While a client is slow nobody waits in a thread for it.
3. The digest covers exactly the bytes that were written: a batch that could not be written is not hashed.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass

from estiva.blobstore import Writer
from estiva.oci.digests import Algorithm

BATCH = 1024 * 1024  # bytes; larger batches save thread switches, smaller ones memory
LINGER = 5.0  # seconds after which a batch is written although it is small: a slow client must not hold memory


class RunningDigest:
    """The digest of the first `size` bytes of an upload, ready for more."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.size = 0
        self._hasher = algorithm.hasher()

    def update(self, chunks: list[bytes]) -> None:
        """Take in the bytes that follow."""
        for chunk in chunks:
            self._hasher.update(chunk)
            self.size += len(chunk)

    def encoded(self) -> str:
        """Return the digest so far, in hexadecimal."""
        return self._hasher.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """A request's body and what its head says of it.

    `content_range` is the header as sent, `length` the announced number of bytes; None: not said. Iterating `body`
    raises BodyTruncated or BodyStalled unless the body ends as HTTP says it must (invariant 12).
    """

    body: AsyncIterator[bytes]
    content_range: str | None = None
    length: int | None = None


async def finished(job: asyncio.Future[None]) -> None:
    """Wait until `job` has ended, even if this task is cancelled meanwhile: a thread has the file in hand."""
    cancelled: asyncio.CancelledError | None = None
    while not job.done():
        try:
            await asyncio.wait([job])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class Receiver:
    """Writes a body through `writer`, taking it into `running` as well (None: do not hash)."""

    def __init__(self, writer: Writer, running: RunningDigest | None, pool: Executor) -> None:
        self._writer = writer
        self._running = running
        self._pool = pool
        self._batch: list[bytes] = []
        self._size = 0
        self._job: asyncio.Future[None] | None = None
        self._waiting = False
        self._failed = False
        self._timer: asyncio.TimerHandle | None = None
        self.received = 0

    async def take(self, body: AsyncIterator[bytes]) -> None:
        """Write all of `body`. What came before an error of the body is written too, and counts as received."""
        try:
            async for chunk in body:
                self._batch.append(chunk)
                self._size += len(chunk)
                if self._size >= BATCH:
                    await self._wait()
                    self._begin()
                elif self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(LINGER, self._write_what_lingers)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await self._wait()
            self._begin()
            await self._wait()

    def _write_what_lingers(self) -> None:
        self._timer = None
        # While `take` waits for a job it will begin the next one itself: two at once would mix up the bytes.
        if not self._waiting and (self._job is None or (self._job.done() and self._job.exception() is None)):
            self._begin()

    def _begin(self) -> None:
        """Let a thread write the batch; after a failure, what follows would stand in the place of what failed."""
        batch, self._batch, self._size = self._batch, [], 0
        if batch and not self._failed:
            self._job = asyncio.get_running_loop().run_in_executor(self._pool, self._absorb, batch)

    async def _wait(self) -> None:
        job = self._job
        if job is None:
            return
        self._waiting = True
        try:
            await finished(job)
        finally:
            self._waiting = False
        self._job = None
        self._failed = job.exception() is not None
        job.result()

    def _absorb(self, batch: list[bytes]) -> None:
        self._writer.write(batch)
        if self._running is not None:
            self._running.update(batch)
        self.received += sum(map(len, batch))

    async def settle(self) -> None:
        """Make what was received survive a power cut."""
        job = asyncio.get_running_loop().run_in_executor(self._pool, self._writer.settle)
        await finished(job)
        job.result()

    def close(self) -> None:
        """Let go of the object."""
        self._writer.close()
