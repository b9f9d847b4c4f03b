# SPDX-License-Identifier: Apache-2.0
"""Take the body of one request into one object.

1. A body comes in batches; one is written and hashed in a worker thread while the next one gathers.
2. So at most two batches of it exist at a time, whatever the size of the blob and however slow the peer or the disk
   (invariant 13). While a client is slow nobody waits in a thread for it.
3. The digest covers exactly the bytes that were written: what could not be written is not hashed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from estiva.blobstore import Piece, Writer
from estiva.oci.digests import Algorithm

# Bytes that are written at once. Of larger writes the kernel makes larger pages, which a virtual machine may have to
# ask its host for first: several times the cost was measured. Smaller writes cost more everywhere.
PORTION = 512 * 1024


class RunningDigest:
    """The digest of the first `size` bytes of an upload, ready for more."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.size = 0
        self._hasher = algorithm.hasher()

    def update(self, pieces: Sequence[Piece]) -> None:
        """Take in the bytes that follow."""
        for piece in pieces:
            self._hasher.update(piece)
            self.size += len(piece)

    def encoded(self) -> str:
        """Return the digest so far, in hexadecimal."""
        return self._hasher.hexdigest()


@dataclass(frozen=True, slots=True)
class Batch:
    """Bytes of a body, in the memory where they arrived.

    Whoever takes them calls `release` when nobody looks at them any more; calling it twice is harmless.
    """

    pieces: Sequence[Piece]
    release: Callable[[], None]

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return sum(map(len, self.pieces))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """A request's body and what its head says of it.

    `content_range` is the header as sent, `length` the announced number of bytes; None: not said. Iterating `body`
    raises BodyTruncated or BodyStalled unless the body ends as HTTP says it must (invariant 12). Batches that nobody
    has released when the request ends are released then.
    """

    body: AsyncIterator[Batch]
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


def _portions(pieces: Sequence[Piece]) -> Iterator[list[memoryview]]:
    """Yield the bytes in lists of PORTION bytes, the last one of fewer."""
    portion: list[memoryview] = []
    room = PORTION
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            portion.append(rest[:room])
            rest, room = rest[room:], room - len(portion[-1])
            if not room:
                yield portion
                portion, room = [], PORTION
    if portion:
        yield portion


def _let_go(batch: Batch, _written: asyncio.Future[None]) -> None:
    batch.release()


class Receiver:
    """Writes a body through `writer`, taking it into `running` as well (None: do not hash)."""

    def __init__(self, writer: Writer, running: RunningDigest | None, pool: Executor) -> None:
        self._writer = writer
        self._running = running
        self._pool = pool
        self._job: asyncio.Future[None] | None = None
        self._ended = self._settled = False
        self._lost: Exception | None = None
        self.received = 0

    async def take(self, body: AsyncIterator[Batch]) -> None:
        """Write all of `body`. What came before an error of the body is written too, and counts as received.

        After a failure nothing more is written: it would stand in the place of what failed.
        """
        try:
            async for batch in body:
                await self._wait()
                self._job = asyncio.get_running_loop().run_in_executor(self._pool, self._absorb, batch.pieces)
                # Not only when the next batch is there: that may wait for this memory.
                self._job.add_done_callback(partial(_let_go, batch))
            self._ended = True
        finally:
            await self._wait()

    async def _wait(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            await finished(job)
            job.result()

    def _absorb(self, pieces: Sequence[Piece]) -> None:
        for portion in _portions(pieces):
            self._writer.write(portion)
            if self._running is not None:
                self._running.update(portion)
            self.received += sum(map(len, portion))
        if self._ended:  # then this was the last batch, and spares `settle` the way to another thread
            self._settle()

    def _settle(self) -> None:
        try:
            self._writer.settle()
        except Exception as error:
            self._lost = error
            raise
        self._settled = True

    async def settle(self) -> None:
        """Make what was received survive a power cut; call it when `take` has ended.

        What failed is not tried again: the kernel tells once that it could not write (fsync(2), EIO).
        """
        if self._lost is not None:
            raise self._lost
        if not self._settled:
            job = asyncio.get_running_loop().run_in_executor(self._pool, self._settle)
            await finished(job)
            job.result()

    def close(self) -> None:
        """Let go of the object."""
        self._writer.close()
