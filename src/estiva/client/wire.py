# SPDX-License-Identifier: Apache-2.0
"""A client's side of HTTP/1.1 on one connection: requests leave as bytes made beforehand, answers are read in place.

1. One request at a time.
2. Nothing is copied that need not be: the kernel writes into one buffer, of a head only the status and the length are
   looked at, and a body is counted, not kept, unless its asker wants it.
3. A server is not trusted to come to an end: heads, interim answers, lines between chunks, trailers, what is kept of a
   body, and how long nothing comes, have bounds.
4. A refusal is heard wherever it can be: before the request, in the middle of its body, from a connection that is lost.
"""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple, TypeVar, cast

import msgspec

from estiva.client.chunks import Chunks

T = TypeVar("T")
Buffer = bytes | memoryview

WINDOW = 256 * 1024
"""Bytes that are read at once; a head has to fit in."""

KEPT = 1024 * 1024
"""Bytes of a body that are kept for an asker who wants it; when more come, the connection is closed."""

INTERIM = 16
"""Answers of the 1xx kind that may precede one that counts."""

PATIENCE_S = 30.0
"""Seconds in which an answer has to begin, and in which something has to move while a body is on its way."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection:[^\r]*close", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_REFUSAL = 400  # from this status on
_BODILESS = frozenset({204, 304})
_SLOWEST = 1024
"""Bytes in a second that a body has to move at least, on average."""


class WireError(Exception):
    """The connection was lost, or what came is not HTTP/1.1; `begun` tells whether any of an answer had come."""

    def __init__(self, text: str, *, begun: bool) -> None:
        super().__init__(text)
        self.begun = begun


class Answer(NamedTuple):
    """A response: its head as sent, the length of its body, and the first `KEPT` bytes of that if it was to be kept."""

    status: int
    head: bytes
    length: int
    body: bytes = b""

    def headers(self, name: str) -> list[str]:
        """Return every value of a header, in the order sent."""
        pairs = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        wanted = name.lower().encode()
        return [value.strip().decode("latin-1") for key, _, value in pairs if key.strip().lower() == wanted]

    def header(self, name: str) -> str:
        """Return the first value of a header; empty without it."""
        return next(iter(self.headers(name)), "")

    def document(self, kind: type[T]) -> T:
        """Read the body as JSON of this kind. Raises ValueError."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error


Receive = Callable[[Answer | WireError], None]


class Wire(asyncio.BufferedProtocol):
    """One connection; `closed` once it cannot carry another request. `patience` is in seconds."""

    def __init__(self, patience: float = PATIENCE_S) -> None:
        self.closed = False
        self._patience = patience
        self._begun = self._moved = 0.0  # readings of the monotonic clock: the request, the last bytes of a body
        self._count = 0  # bytes of bodies that moved since the request
        self._watch: asyncio.TimerHandle | None = None
        self._asked = False
        self._early: Answer | WireError | None = None  # came before anything was asked
        self._buffer = bytearray(WINDOW)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._receive: Receive | None = None
        self._bodiless = False
        self._keeps = True
        self._interim = 0
        self._answer: Answer | None = None  # its head has come, its body not yet
        self._left = 0
        self._endless = False  # the body ends with the connection
        self._chunks: Chunks | None = None
        self._kept = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    def send(self, request: bytes, receive: Receive, *, bodiless: bool = False, keep: bool = False) -> None:
        """Send a request; `receive` hears the answer, or why there is none. A HEAD is `bodiless`."""
        self._asked, early, self._early = True, self._early, None
        if early is not None:
            receive(early)
            return
        if self._answer is not None:  # on its way before anything was asked
            self._receive = receive
            return
        if self._transport is None or self.closed:
            receive(WireError("the server closed the connection", begun=False))
            return
        self._receive, self._bodiless, self._keeps, self._interim = receive, bodiless, keep, 0
        self._transport.write(request)

    async def ask(self, request: bytes, body: Sequence[Buffer] = (), *, bodiless: bool = False) -> Answer:
        """Send a request and its body, and return the answer with its body, as far as `KEPT`. Raises WireError."""
        return await self._ask(request, body, bodiless=bodiless, keep=True)

    async def count(self, request: bytes) -> Answer:
        """Send a request and return the answer without its body, whose length it tells. Raises WireError."""
        return await self._ask(request, (), bodiless=False, keep=False)

    async def _ask(self, request: bytes, body: Sequence[Buffer], *, bodiless: bool, keep: bool) -> Answer:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        future.add_done_callback(heard)

        def receive(answer: Answer | WireError) -> None:
            if future.done():
                return
            if isinstance(answer, WireError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        self._begun = self._moved = time.monotonic()
        self._count = 0
        self._watch = loop.call_later(self._patience, self._look)
        self.send(request, receive, bodiless=bodiless, keep=keep)
        try:
            await self._write(body, future)
            return await future
        finally:
            self._watch.cancel()
            if self._receive is receive or not future.done():
                self.close()  # the answer is still to come: whoever asks next must not get it

    async def _write(self, body: Sequence[Buffer], answer: "asyncio.Future[Answer]") -> None:
        for part in body:
            await self._writable.wait()
            # A server that answers before it has the body will not read the rest of it.
            if answer.done() or self._transport is None or self.closed or self._transport.is_closing():
                self.closed = True
                return
            self._move(len(part))
            self._transport.write(part)

    def _move(self, count: int) -> None:
        self._moved = time.monotonic()
        self._count += count

    def _look(self) -> None:
        """Give up when nothing moves any more, or too little; else look again later."""
        now = time.monotonic()
        rest = self._patience - (now - self._moved)
        if rest <= 0 or now - self._begun > self._patience + self._count / _SLOWEST:
            self._fail(silence(self._patience, begun=self._answer is not None), begun=True)
            self.close()
        else:
            self._watch = asyncio.get_running_loop().call_later(rest, self._look)

    def close(self) -> None:
        """Close the connection at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its ancestors

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.closed = True
        if exc is not None:
            self._read_rest()
        if self._answer is not None and self._endless and (exc is None or self._answer.status >= _REFUSAL):
            self._finish()
        self._writable.set()
        self._fail(f"the server closed the connection{f' ({exc})' if exc else ''}")

    def _read_rest(self) -> None:
        """Read what came before the connection broke: a server that refuses a body answers, and closes."""
        assert self._transport is not None
        socket = self._transport.get_extra_info("socket")
        if socket is None or self._transport.get_extra_info("ssl_object") is not None:
            return
        with contextlib.suppress(OSError):
            while (self._receive or not self._asked) and (count := os.readv(socket.fileno(), [self.get_buffer(-1)])):
                self.buffer_updated(count)

    def pause_writing(self) -> None:
        """Hold the rest of a body."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on with a body."""
        self._writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go: behind the part of a head that has come, or over counted bytes."""
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Read what came."""
        if self._answer is not None:
            self._move(nbytes)
            self._read_body(0, nbytes)
            return
        self._filled += nbytes
        try:
            self._read_head()
        except ValueError as error:
            self._fail(str(error))
            self.close()

    def _read_head(self) -> None:
        start = 0
        while (end := self._buffer.find(_HEAD_END, start, self._filled)) >= 0:
            end += len(_HEAD_END)
            head = bytes(self._view[start:end])
            if not (found := _STATUS.match(head)):
                raise ValueError("what answers is not HTTP/1.1")
            if (status := int(found[1])) >= HTTPStatus.OK:
                self._begin(status, head, end)
                return
            self._interim += 1
            if self._interim > INTERIM:
                raise ValueError(f"more than {INTERIM} interim answers came, and none that counts")
            start = end
        self._filled -= start
        self._buffer[: self._filled] = self._buffer[start : start + self._filled]
        if not b"HTTP/1.".startswith(self._buffer[: min(7, self._filled)]):
            raise ValueError("what answers is not HTTP/1.1")
        if self._filled == WINDOW:
            raise ValueError(f"the head of an answer has no end within {WINDOW} bytes")

    def _begin(self, status: int, head: bytes, end: int) -> None:
        """Go on behind a head that has come."""
        if b"lose" in head and _CLOSES.search(head):
            self.closed = True
        came, self._filled = self._filled, 0
        self._move(came)
        self._begin_body(status, head)
        self._read_body(end, came)

    def _begin_body(self, status: int, head: bytes) -> None:
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length else 0
        self._chunks, self._endless = None, False
        if self._bodiless or status in _BODILESS:
            self._answer, self._left = Answer(status, head, self._left), 0
            return
        if length is None and _CHUNKED.search(head):
            self._chunks = Chunks()
        elif length is None:
            self._endless = self.closed = True
        self._answer = Answer(status, head, self._left)

    def _read_body(self, start: int, end: int) -> None:
        if self._chunks is not None:
            self._read_chunks(bytes(self._view[start:end]))
            return
        assert self._answer is not None
        if self._endless:
            self._answer = self._answer._replace(length=self._answer.length + end - start)
        elif end - start > self._left:
            if self._answer.status < _REFUSAL:
                self._fail("more bytes came than were announced")
                self.close()
                return
            self.closed, end = True, start + self._left  # it takes the body that it refused for a request
        if self._keeps:
            self._keep(self._view[start:end])
        self._left -= 0 if self._endless else end - start
        self._go_on(done=not self._left and not self._endless)

    def _read_chunks(self, data: bytes) -> None:
        assert self._chunks is not None
        assert self._answer is not None
        try:
            pieces = self._chunks.feed(data)
        except ValueError as error:
            self._fail(f"a chunked answer is malformed: {error}")
            self.close()
            return
        self._answer = self._answer._replace(length=self._answer.length + sum(map(len, pieces)))
        if self._keeps:
            for piece in pieces:
                self._keep(piece)
        self._go_on(done=self._chunks.done)

    def _keep(self, piece: memoryview) -> None:
        self._kept += piece[: KEPT - len(self._kept)]

    def _go_on(self, *, done: bool) -> None:
        """Finish an answer whose body is done, or kept as far as it will be: its rest is not waited for."""
        if not done:
            if len(self._kept) < KEPT:
                return
            self.close()
        self._finish()

    def _finish(self) -> None:
        answer, receive = self._answer, self._receive
        assert answer is not None
        if self._kept:
            answer = answer._replace(body=bytes(self._kept))
            self._kept = bytearray()
        self._answer = self._receive = None
        if receive is None:
            self.close()  # an answer that nobody asked for
            if not self._asked and answer.status >= _REFUSAL:
                self._early = answer
        else:
            receive(answer)

    def _fail(self, text: str, *, begun: bool = False) -> None:
        receive, begun = self._receive, begun or self._answer is not None or self._filled > 0
        self._answer = self._receive = None
        self._filled, self._kept = 0, bytearray()
        if receive is not None:
            receive(WireError(text, begun=begun))
        elif not self._asked and self._early is None:
            self._early = WireError(text, begun=begun)


def heard(future: "asyncio.Future[Answer] | asyncio.Future[Answer | None]") -> None:
    """Take note of what a future ends with, for whoever waited may have been cancelled."""
    if not future.cancelled():
        future.exception()


def silence(seconds: float, *, begun: bool = False) -> str:
    """Return what is told of a server from which nothing comes."""
    return f"{'an answer did not go on' if begun else 'no answer began'} within {seconds:g} seconds (--timeout)"
