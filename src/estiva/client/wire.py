# SPDX-License-Identifier: Apache-2.0
"""A client's side of HTTP/1.1 on one connection: requests leave as bytes made beforehand, answers are read in place.

1. One request at a time.
2. Nothing is copied that need not be: the kernel writes into one buffer, of a head only the status and the length are
   looked at, and a body is counted, not kept, unless its asker wants it.
3. A server is not trusted to come to an end: heads, interim answers, lines between chunks, trailers and what is kept of
   a body have bounds. How long an answer may take is up to its asker.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple, TypeVar, cast

import msgspec

T = TypeVar("T")
Buffer = bytes | memoryview

WINDOW = 256 * 1024
"""Bytes that are read at once; a head has to fit in."""

KEPT = 1024 * 1024
"""Bytes of a body that are kept for an asker who wants it; when more come, the connection is closed."""

INTERIM = 16
"""Answers of the 1xx kind that may precede one that counts."""

LINE = 8 * 1024
"""Bytes of a line between chunks, and of all trailers behind them."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection:[^\r]*close", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_BODILESS = frozenset({204, 304})
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;.*)?", re.DOTALL)  # RFC 9112, section 7.1


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
    """One connection; `closed` once it cannot carry another request."""

    def __init__(self) -> None:
        self.closed = False
        self._buffer = bytearray(WINDOW)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._receive: Receive | None = None
        self._bodiless = False
        self._keeps = False
        self._interim = 0
        self._answer: Answer | None = None  # its head has come, its body not yet
        self._left = 0
        self._chunks: Chunks | None = None
        self._kept = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    def send(self, request: bytes, receive: Receive, *, bodiless: bool = False, keep: bool = False) -> None:
        """Send a request; `receive` hears the answer, or why there is none. A HEAD is `bodiless`."""
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
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def receive(answer: Answer | WireError) -> None:
            if future.done():
                return
            if isinstance(answer, WireError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        self.send(request, receive, bodiless=bodiless, keep=keep)
        try:
            await self._write(body, future)
            return await future
        finally:
            if self._receive is receive or not future.done():
                self.close()  # the answer is still to come: whoever asks next must not get it

    async def _write(self, body: Sequence[Buffer], answer: "asyncio.Future[Answer]") -> None:
        for part in body:
            await self._writable.wait()
            # A server that answers before it has the body will not read the rest of it.
            if answer.done() or self._transport is None or self.closed:
                self.closed = True
                return
            self._transport.write(part)

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
        self._writable.set()
        self._fail(f"the server closed the connection{f' ({exc})' if exc else ''}")

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
        self._begin_body(status, head)
        self._read_body(end, came)

    def _begin_body(self, status: int, head: bytes) -> None:
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length else 0
        self._chunks = None
        if self._bodiless or status in _BODILESS:
            self._answer, self._left = Answer(status, head, self._left), 0
            return
        if length is None and _CHUNKED.search(head):
            self._chunks = Chunks()
        elif length is None:
            self.closed = True  # the body ends with the connection, and nobody here needs it
        self._answer = Answer(status, head, self._left)

    def _read_body(self, start: int, end: int) -> None:
        if self._chunks is not None:
            self._read_chunks(bytes(self._view[start:end]))
            return
        if end - start > self._left:
            self._fail("more bytes came than were announced")
            self.close()
            return
        self._left -= end - start
        if self._keeps:
            self._keep(self._view[start:end])
        self._go_on(done=not self._left)

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
        else:
            receive(answer)

    def _fail(self, text: str) -> None:
        receive, begun = self._receive, self._answer is not None or self._filled > 0
        self._answer = self._receive = None
        self._filled, self._kept = 0, bytearray()
        if receive is not None:
            receive(WireError(text, begun=begun))


class Chunks:
    """Reads a chunked body (RFC 9112, section 7.1) from pieces of any size; `done` at its end.

    It holds back no more than the line that it is in.
    """

    def __init__(self) -> None:
        self.done = False
        self._left = 0  # bytes of the chunk at hand that are still to come
        self._line = b""  # as far as it has come
        self._take = self._take_size  # takes the next line
        self._trailers = 0

    def feed(self, data: bytes) -> list[memoryview]:
        """Return the pieces of content in `data`. Raises ValueError, with what is wrong, when it is not chunked."""
        view, content, at = memoryview(data), [], 0
        while at < len(data):
            if self.done:
                raise ValueError("bytes came behind its end")
            if self._left:
                content.append(view[at : at + self._left])
                at += len(content[-1])
                self._left -= len(content[-1])
            else:
                at = self._read_line(data, at)
        return content

    def _read_line(self, data: bytes, start: int) -> int:
        """Read a line as far as it has come, and return where that is."""
        end = data.find(b"\n", start) + 1 or len(data)
        self._line += data[start:end]
        if len(self._line) > LINE:
            raise ValueError(f"a line between chunks has no end within {LINE} bytes")
        if self._line.endswith(b"\r\n"):
            line, self._line = self._line[:-2], b""
            self._take(line)
        elif self._line.endswith(b"\n"):
            raise ValueError(f"{self._line[:20]!r} is no line")
        return end

    def _take_size(self, line: bytes) -> None:
        if not (found := _SIZE.fullmatch(line)):
            raise ValueError(f"{line[:20]!r} is not the size of a chunk")
        self._left = int(found[1], 16)
        self._take = self._take_end if self._left else self._take_trailer

    def _take_end(self, line: bytes) -> None:
        if line:
            raise ValueError("a chunk is longer than its size")
        self._take = self._take_size

    def _take_trailer(self, line: bytes) -> None:
        self.done = not line
        self._trailers += len(line)
        if self._trailers > LINE:
            raise ValueError(f"more than {LINE} bytes of trailers came")
