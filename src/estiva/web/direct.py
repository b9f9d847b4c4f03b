# SPDX-License-Identifier: Apache-2.0
"""The direct upload path: aiohttp parses the head of an upload, and its body goes past aiohttp into large buffers.

1. Taken is an upload whose whole head came in one piece, without all of its body, and began where a request begins.
   Everything else takes the ordinary way through aiohttp: slower, never different.
2. The kernel writes into the buffer from which a thread hashes and writes to the disk; nothing is copied in between.
   Of a slow client the bytes pass through memory that all connections share, and only they themselves are kept.
3. aiohttp's parser is put back in charge behind the body, and of a chunked body it reads the end itself.
4. Nothing is read while nobody wants the body, or while there is no room for it.
5. When the handler has answered without reading all of the body, the rest is read and dropped, for as long as aiohttp
   lets a client linger.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web import BaseRequest, RequestPayloadError, StreamResponse
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from estiva.content.receiving import Batch
from estiva.errors import BodyStalled, BodyTruncated, EstivaError
from estiva.web.boundary import END, Boundary
from estiva.web.framing import Chunked, Counted, Framing, FramingError, Span
from estiva.web.intake import LINGER, SMALL, Gathering
from estiva.web.tcp import was_reset

CHUNKS = 2000  # decoded before other connections have their turn: some milliseconds
TINY = 4096  # bytes; smaller pieces are moved together, so that a buffer holds few of them

_METHODS = (b"PATCH /v2/", b"PUT /v2/", b"POST /v2/")
_UPLOADS = b"/blobs/uploads/"

# Whatever arrives is taken from it at once, so one serves all connections.
_shared = memoryview(bytearray(SMALL))


def upload_head(data: bytes) -> int:
    """Return the length of the head of an upload that `data` begins with; 0 when that is not plain to see."""
    if not data.startswith(_METHODS) or data.find(_UPLOADS, 0, data.find(b"\r\n")) < 0:
        return 0
    end = data.find(END)
    return end + len(END) if end > 0 else 0


def _framing(message: RawRequestMessage | _ErrInfo, at_hand: int) -> Framing | None:
    """Return how the body is framed that follows a head; None when all of it is at hand, or it is nothing plain."""
    if not isinstance(message, RawRequestMessage) or message.upgrade:
        return None
    if message.chunked:
        return Chunked()
    length = message.headers.get("Content-Length", "0")
    return Counted(int(length)) if length.isdecimal() and int(length) > at_hand else None


class DirectHandler(RequestHandler):
    """The part of a connection that the direct path needs: the body that is taken, and the way back to aiohttp."""

    def __init__(self, manager: Any, **options: Any) -> None:
        super().__init__(manager, **options)
        self._boundary = Boundary()
        self._parsing = {name: options[name] for name in ("max_line_size", "max_field_size", "read_bufsize")}
        self.upload: DirectBody | None = None

    def set_aside(self, rest: bytes) -> bool:
        """Take charge of the body of the request whose head was parsed last, of which `rest` is there already.

        Returns False when that is for aiohttp to read.
        """
        message, payload = self._messages[-1] if self._messages else (None, EMPTY_PAYLOAD)
        if message is None or payload.is_eof() or self.transport is None:
            return False
        framing = _framing(message, len(rest))
        if framing is None:
            return False
        self.upload = DirectBody(self, payload, framing, rest)
        return True

    def body_ended(self, framing: Framing, payload: StreamReader) -> None:
        """Go on behind a body that was read past the parser."""
        if isinstance(framing, Counted):
            self._renew_parser()
            payload.feed_eof()
        else:
            self.data_received(framing.end)
        if payload.is_eof() and framing.plain:  # else the parser may have begun with the next request
            self._boundary = Boundary()
        if framing.beyond:
            self.data_received(framing.beyond)

    def body_broke(self, payload: StreamReader) -> None:
        """Have the connection closed after the answer: nobody can tell where the next request would begin."""
        payload.set_exception(RequestPayloadError("the body is malformed"))
        payload.feed_eof()

    def _renew_parser(self) -> None:
        self._parser = HttpRequestParser(
            self,
            self._loop,
            self._parsing["read_bufsize"],
            max_line_size=self._parsing["max_line_size"],
            max_field_size=self._parsing["max_field_size"],
            max_headers=self.max_headers,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=self._max_msg_queue_size,
        )

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        """Let what was not read of the body pass by, as aiohttp does with its own."""
        upload = direct_body(request)
        if upload is not None:
            upload.drop()
            self.upload = None
        return await super().finish_response(request, resp, start_time)


def direct_body(request: BaseRequest) -> "DirectBody | None":
    """Return the body of a request that was taken for the direct path; None when aiohttp reads it."""
    upload = request.protocol.upload if isinstance(request.protocol, DirectHandler) else None
    return upload if upload is not None and upload.payload is request.content else None


class DirectBody(asyncio.BufferedProtocol):
    """The body of one upload; in charge of its connection from the first read to the end of the body."""

    def __init__(self, connection: DirectHandler, payload: StreamReader, framing: Framing, rest: bytes) -> None:
        assert connection.transport is not None
        self._connection = connection
        self._transport = connection.transport
        self._framing = framing
        self._rest = rest
        self._loop = asyncio.get_running_loop()
        self._gathering: Gathering | None = None
        self._decoded = 0  # bytes of the large buffer
        self._begun = self._over = self._due = False
        self._error: EstivaError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._stall_timeout = 0.0
        self.payload = payload
        self._transport.pause_reading()

    # What the handler calls.

    async def batches(self, gathering: Gathering, stall_timeout: float) -> AsyncIterator[Batch]:
        """Yield the body, but for the end of a chunked one: the request's `content` goes on from there.

        Raises BodyTruncated, BodyStalled, after all that came before.
        """
        self._gathering, self._stall_timeout = gathering, stall_timeout
        self._begin()
        self._watch()
        while True:
            while not self._ready(gathering):
                self._waiter = self._loop.create_future()
                await self._waiter
            if (batch := self._cut(gathering)) is not None:
                yield batch
            elif self._error is not None:
                raise self._error
            elif self._over:
                return

    def _ready(self, gathering: Gathering) -> bool:
        return self._over or self._error is not None or (self._due and self._decoded == gathering.filled)

    def drop(self) -> None:
        """Forget the handler, which has read all that it wants, and let pass by what still comes of the body."""
        gathering, self._gathering = self._gathering, None
        if self._timer is not None:
            self._timer.cancel()
        if not self._begun:
            self._begin()
        elif gathering is not None and self._decoded < gathering.filled:
            self._break_off()  # what is not decoded goes with its memory, and with it the place where chunks begin
        elif not self._over:
            self._transport.resume_reading()

    # What goes on underneath.

    def _begin(self) -> None:
        self._begun, self._heard = True, self._loop.time()
        rest, self._rest = self._rest, b""
        if self._connection.transport is None:
            self._fail(BodyTruncated("the connection was closed"))
            return
        self._transport.set_protocol(self)
        if rest:
            self._pass_through(memoryview(rest))
        self._go_on()

    def _cut(self, gathering: Gathering) -> Batch | None:
        batch = gathering.cut()
        self._decoded, self._due = 0, False
        if not self._over and self._error is None:
            self._go_on()
        return batch

    def _go_on(self) -> None:
        """Read more, unless there is no room or no need."""
        gathering = self._gathering
        if self._over or self._error is not None:
            self._wake()
        elif gathering is None:
            self._transport.resume_reading()
        elif self._decoded < gathering.filled:
            self._transport.pause_reading()
            self._loop.call_soon(self._decode)
        elif gathering.wants_large:
            self._enlarge(gathering)
        elif gathering.full:
            self._transport.pause_reading()
            self._due = True
            self._wake()
        else:
            if self._due:
                self._wake()
            self._read_on()

    def _read_on(self) -> None:
        if not self._transport.is_reading():
            self._heard = self._loop.time()
            self._transport.resume_reading()

    def _enlarge(self, gathering: Gathering) -> None:
        if gathering.grow(self._grown):
            self._watch()
            self._read_on()
        else:
            self._transport.pause_reading()

    def _grown(self) -> None:
        if self._gathering is not None:
            self._heard = self._loop.time()
            self._watch()
            self._go_on()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _watch(self) -> None:
        """Look after the time: for clients that send nothing, and for bytes that have waited long enough."""
        if self._timer is not None:
            self._timer.cancel()
        gathering, now = self._gathering, self._loop.time()
        if gathering is None or self._over or self._error is not None:
            return
        silence = now - self._heard
        if not self._transport.is_reading():
            silence = 0.0
        elif silence >= self._stall_timeout:
            self._fail(BodyStalled(f"no byte of the body came for {self._stall_timeout:g} s (limits.stall_timeout)"))
            return
        elif gathering.patience <= 0 or (gathering.pending and silence >= LINGER):
            self._due = True
            self._wake()
        patience = LINGER - silence if gathering.pending else LINGER
        delay = min(gathering.patience or LINGER, max(patience, 0.0) or LINGER, self._stall_timeout - silence)
        self._timer = self._loop.call_later(delay, self._watch)

    def _fail(self, error: EstivaError) -> None:
        if self._error is None:
            self._error = error
            self._wake()

    # What the transport calls.

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return memory for the next bytes."""
        gathering = self._gathering
        if gathering is None:
            return _shared
        if gathering.large is None:
            return _shared[: max(1, SMALL - len(gathering.small))]
        return gathering.large.view[gathering.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes that have come."""
        self._heard = self._loop.time()
        gathering = self._gathering
        if gathering is None or gathering.large is None:
            self._pass_through(_shared[:nbytes])
            self._go_on()
        else:
            gathering.filled += nbytes
            self._decode()
        if was_reset(self._transport):
            self._loop.call_soon(self._watch_again)

    def _watch_again(self) -> None:
        if self._transport.is_reading():
            self._transport.pause_reading()
            self._transport.resume_reading()

    def _pass_through(self, data: memoryview) -> None:
        """Take bytes out of memory that is not ours to keep."""
        spans: list[Span] = []
        if self._split(data, (0, len(data)), spans, len(data)) is None or self._gathering is None:
            return
        for start, stop in spans:
            self._gathering.small += data[start:stop]

    def _decode(self) -> None:
        """Find the bytes of the body in the large buffer."""
        gathering = self._gathering
        if gathering is None or gathering.large is None:
            return
        spans: list[Span] = []
        came = self._split(gathering.large.view, (self._decoded, gathering.filled), spans, CHUNKS)
        self._decoded = gathering.filled if came is None else came
        _put_together(gathering.large.view, gathering.spans, spans)
        self._go_on()

    def _split(self, data: memoryview, span: Span, found: list[Span], most: int) -> int | None:
        if self._over:
            return None
        try:
            came = self._framing.split(data, span, found, most)
        except FramingError as error:
            self._fail(BodyTruncated(f"the body is malformed: {error}"))
            self._break_off()
            return None
        if self._framing.ended:
            self._hand_back()
        return came

    def _break_off(self) -> None:
        """Give up: the connection cannot be used after the answer."""
        self._over = True
        self._connection.body_broke(self.payload)

    def _hand_back(self) -> None:
        self._over = True
        self._transport.set_protocol(self._connection)
        self._transport.resume_reading()
        self._connection.body_ended(self._framing, self.payload)

    def eof_received(self) -> bool | None:
        """Have the transport end the connection, as aiohttp does."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the handler, and aiohttp."""
        self._fail(BodyTruncated("the body ended before it was complete; send the rest again"))
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._connection.resume_writing()


def _put_together(view: memoryview, spans: list[Span], more: list[Span]) -> None:
    """Add spans to those that are there; small ones are moved up to the one before them."""
    for start, stop in more:
        if spans and stop - start < TINY:
            first, last = spans[-1]
            view[last : last + stop - start] = view[start:stop]
            spans[-1] = (first, last + stop - start)
        else:
            spans.append((start, stop))
