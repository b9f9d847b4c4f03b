# SPDX-License-Identifier: Apache-2.0
"""What the uploads of this process may take together: their number, and memory for their bytes.

1. Up to SMALL bytes each upload holds by itself. A large buffer comes from here, and there is a bound on all of them.
2. Who finds none waits in turn, and reads nothing meanwhile.
3. A large buffer that its client does not fill within HOLD is written and given back: slow clients cannot keep it from
   others.
"""

import asyncio
import mmap
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from estiva.content.receiving import Batch
from estiva.errors import TooBusy
from estiva.telemetry.metrics import Limit, Metrics

SMALL = 64 * 1024  # bytes
LARGE = 2 * 1024 * 1024  # bytes; measured: buffers of 1 MiB cost more CPU, of 256 KiB much more
HOLD = 0.25  # seconds
LINGER = 5.0  # seconds after which bytes are written although they are few: a slow client must not hold memory
IDLE = 10.0  # seconds without any upload after which the memory goes back to the system


class Buffer:
    """LARGE bytes of memory, whose content is anything."""

    __slots__ = ("view",)

    def __init__(self) -> None:
        self.view = memoryview(mmap.mmap(-1, LARGE))  # apart from the heap, so that it can be given back to the system


Ready = Callable[[Buffer], None]


class Intake:
    """Bounds the uploads of this process: how many there are, and how many bytes their large buffers take."""

    def __init__(self, uploads: int, memory: int, metrics: Metrics) -> None:
        self._most = uploads
        self._buffers = max(1, memory // LARGE)
        self._metrics = metrics
        self._uploads = self._used = 0
        self._free: list[Buffer] = []
        self._waiting: deque[Ready] = deque()
        self._trim: asyncio.TimerHandle | None = None

    @contextmanager
    def upload(self) -> Iterator["Gathering"]:
        """Count an upload until the block ends; yield the place for its bytes. Raises TooBusy."""
        if self._uploads >= self._most:
            self._metrics.refused(Limit.UPLOADS)
            raise TooBusy("too many uploads are under way (limits.uploads); try again")
        self._uploads += 1
        self._metrics.upload_began()
        gathering = Gathering(self)
        try:
            yield gathering
        finally:
            gathering.close()
            self._uploads -= 1
            self._metrics.upload_ended()

    def take(self) -> Buffer | None:
        """Return a buffer; None when all are in use."""
        if self._used >= self._buffers:
            return None
        self._used += 1
        self._metrics.buffers(self._used * LARGE)
        return self._free.pop() if self._free else Buffer()

    def ask(self, ready: Ready) -> None:
        """Have `ready` called with a buffer, in turn; `forget` must follow if it is not wanted any more."""
        self._metrics.refused(Limit.BUFFERS)
        self._waiting.append(ready)

    def forget(self, ready: Ready) -> None:
        """Take back what was asked; harmless when there was an answer, or no question."""
        if ready in self._waiting:
            self._waiting.remove(ready)

    def give(self, buffer: Buffer) -> None:
        """Take a buffer back; nobody may look at it any more."""
        if self._waiting:
            self._waiting.popleft()(buffer)
            return
        self._used -= 1
        self._metrics.buffers(self._used * LARGE)
        self._free.append(buffer)
        if not self._used and self._trim is None:
            self._trim = asyncio.get_running_loop().call_later(IDLE, self._let_go)

    def _let_go(self) -> None:
        self._trim = None
        if not self._used:
            self._free.clear()


class Gathering:
    """Where the bytes of one upload gather until they are written; its own memory first, then a large buffer.

    `filled` says how far the large buffer is in use, `spans` which parts of that are bytes of the body.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._lent: set[Buffer] = set()
        self._asked: Ready | None = None
        self._loop = asyncio.get_running_loop()
        self._since = 0.0
        self.small = bytearray()
        self.large: Buffer | None = None
        self.filled = 0
        self.spans: list[tuple[int, int]] = []
        self.fast = False

    @property
    def pending(self) -> bool:
        """Whether there are bytes to be written."""
        return bool(self.small or self.spans)

    @property
    def wants_large(self) -> bool:
        """Whether the client has shown that it would fill a large buffer, and there is none."""
        return self.large is None and (self.fast or len(self.small) >= SMALL)

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return self.filled == LARGE if self.large is not None else len(self.small) >= SMALL

    @property
    def room(self) -> int:
        """How many bytes fit."""
        return SMALL - len(self.small) if self.large is None else LARGE - self.filled

    @property
    def ripe(self) -> bool:
        """Whether the large buffer has to be written: it is full, or was held long enough."""
        return self.large is not None and (self.filled == LARGE or self.patience <= 0)

    @property
    def patience(self) -> float:
        """Seconds that may pass until the bytes have to be written, as far as they depend on the present memory."""
        return LINGER if self.large is None else max(0.0, self._since + HOLD - self._loop.time())

    def grow(self, ready: Callable[[], None]) -> bool:
        """Take a large buffer and return True; or have `ready` called once there is one, and return False."""
        buffer = self._intake.take() if self._asked is None else None
        if buffer is not None:
            self._enlarge(buffer)
            return True
        if self._asked is None:
            self._asked = partial(self._answered, ready)
            self._intake.ask(self._asked)
        return False

    async def enlarged(self) -> None:
        """Take a large buffer, waiting for it if need be."""
        self._take_back()
        there = asyncio.Event()
        if not self.grow(there.set):
            await there.wait()

    def _take_back(self) -> None:
        if self._asked is not None:
            self._intake.forget(self._asked)
            self._asked = None

    def _answered(self, ready: Callable[[], None], buffer: Buffer) -> None:
        self._asked = None
        self._enlarge(buffer)
        ready()

    def _enlarge(self, buffer: Buffer) -> None:
        self.large, self.filled, self._since = buffer, 0, self._loop.time()

    def put(self, chunk: bytes) -> None:
        """Add bytes, which fit."""
        if self.large is None:
            self.small += chunk
            return
        start, self.filled = self.filled, self.filled + len(chunk)
        self.large.view[start : self.filled] = chunk
        self.spans = [(0, self.filled)]

    def cut(self) -> Batch | None:
        """Return what has gathered, and begin anew; with a large buffer, if the last one was filled in time."""
        buffer, small, spans = self.large, self.small, self.spans
        self.fast = buffer is not None and self.filled == LARGE
        self.small, self.large, self.spans, self.filled = bytearray(), None, [], 0
        pieces: list[bytearray | memoryview] = [small] if small else []
        if buffer is None:
            return Batch(pieces, _nothing) if pieces else None
        self._lent.add(buffer)
        pieces += [buffer.view[start:stop] for start, stop in spans]
        if not pieces:
            self._release(buffer)
            return None
        return Batch(pieces, partial(self._release, buffer))

    def _release(self, buffer: Buffer) -> None:
        if buffer in self._lent:
            self._lent.remove(buffer)
            self._intake.give(buffer)

    def close(self) -> None:
        """Give all memory back; what has gathered is lost."""
        self._take_back()
        if self.large is not None:
            self._lent.add(self.large)
        for buffer in list(self._lent):
            self._release(buffer)
        self.small, self.large, self.spans = bytearray(), None, []


def _nothing() -> None:
    pass
