# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: aiohttp's low-level one, with our limits and our words for what it cannot parse."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import aiofastnet
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from estiva.errors import EstivaError, HeadersTooLarge, HeadStalled, RequestInvalid, TooBusy
from estiva.options.limits import LimitOptions
from estiva.telemetry.metrics import Limit
from estiva.web.boundary import head_length
from estiva.web.direct import DirectHandler, upload_head
from estiva.web.entry import Entry
from estiva.web.lane import Lane
from estiva.web.tcp import was_reset

SURPLUS = 100  # connections beyond the limit that get an answer; more are only closed
LINGER = 10.0  # seconds that the rest of a body may take which the answer did not wait for
READ_BUFFER = 64 * 1024  # bytes read ahead of a handler, per connection


class Connection(DirectHandler):
    """One client connection."""

    def __init__(
        self, manager: "Server", entry: Entry, limits: LimitOptions, lane: Lane | None, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._lane = lane
        self._entry = entry
        self._limits = limits
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_size = 0
        self._body: StreamReader = EMPTY_PAYLOAD
        self._surplus = self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the client a bounded time for its first request."""
        super().connection_made(transport)
        there, most = self._entry.connected(), self._limits.connections
        self._await_head()
        self._surplus = there > most
        if there > most + SURPLUS:
            self._entry.limit_reached(Limit.CONNECTIONS)
            self._loop.call_soon(self.force_close)  # the transport is not ready to be closed yet

    def data_received(self, data: bytes) -> None:
        """Take in bytes, unless this connection is one too many, or its head has no end.

        aiohttp bounds each header, not all of them together, nor the time that they take.
        """
        if self._surplus and not self._refused:
            self._refuse(TooBusy("too many connections (limits.connections); try again"), Limit.CONNECTIONS)
        if self._refused:
            return
        if self._lane is not None and self._boundary.here and self._lane.take(self, data):
            self._head_came()
            return
        if self._boundary.here and (end := upload_head(data)):
            # The head alone, whoever reads the body: what is wrong behind it must not make a difference.
            count = self._request_count
            self._parse(data[:end])
            direct = self._limits.direct_uploads and self._request_count != count
            if not (direct and self.set_aside(data[end:])) and len(data) > end:
                self._parse(data[end:])
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        count, body, in_body = self._request_count, self._body, not self._body.is_eof()
        if not in_body and self._head_size + head_length(data) > self._limits.head_total:
            self._refuse_head()
            return
        super().data_received(data)
        self._boundary.pass_over(data, [self._messages[at] for at in range(count - self._request_count, 0)])
        if self._request_count != count:
            last, self._body = self._messages[-1] if self._messages else (None, EMPTY_PAYLOAD)
            if in_body and not body.is_eof() and isinstance(last, _ErrInfo):
                self.body_broke(body)
            self._head_came()
        elif data and not in_body:  # aiohttp calls without data when it goes on reading
            self._await_head()
            self._head_size += len(data)
        self._notice_reset()

    def _refuse_head(self) -> None:
        bound = f"{self._limits.head_total} bytes (limits.head_total)"
        self._refuse(HeadersTooLarge(f"the head is too long; it may have {bound} in all"), Limit.HEAD)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._limits.head_timeout, self._give_up)

    def _head_came(self) -> None:
        self._head_size = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        """Answer a head that does not come to its end; of one that never began, nobody waits for an answer."""
        self._head_timer = None
        if self._head_size:
            self._refuse(
                HeadStalled(f"no head came within {self._limits.head_timeout:g} s (limits.head_timeout)"),
                Limit.HEAD_TIME,
            )
        else:
            self.force_close()

    def _notice_reset(self) -> None:
        """Go on reading after a reset, until its end shows.

        libuv forgets a descriptor that is in error, once it has told of it. Of a reset that comes together with data,
        that would be with the first of the data, and under uvloop nothing would wake this connection again.
        """
        if self.transport is not None and not self._body.is_eof() and was_reset(self.transport):
            self._loop.call_soon(self._watch_again)

    def _watch_again(self) -> None:
        if self.transport is not None and self.transport.is_reading():
            self.transport.pause_reading()
            self.transport.resume_reading()

    def _refuse(self, error: EstivaError, limit: Limit) -> None:
        """Answer with an error, after what is under way; whatever else comes is not looked at."""
        self._refused = True
        self._head_came()
        self._entry.limit_reached(limit)
        self._request_count += 1
        self._messages.append((_ErrInfo(status=0, exc=error, message=""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def log_exception(self, *told: Any, **more: Any) -> None:
        """Leave out bodies that turn out malformed while what nobody wanted of them passes by: no fault of ours."""
        if not isinstance(more.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*told, **more)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the timer with the connection."""
        self._head_came()
        self._entry.disconnected()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse, or what we refuse, in the spec's form."""
        error: EstivaError
        if isinstance(exc, EstivaError):
            error = exc
        elif isinstance(exc, LineTooLong):
            self._entry.limit_reached(Limit.HEAD)
            bound = f"{self._limits.head_bytes} bytes (limits.head_bytes)"
            error = HeadersTooLarge(f"the request line or a header is too long; each may have {bound}")
        else:
            error = RequestInvalid("this is not a proper HTTP request")
        return self._entry.reject(request, error)


class Server(web.Server):
    """Makes connections."""

    def __init__(self, entry: Entry, limits: LimitOptions) -> None:
        super().__init__(
            entry.handle,
            access_log=None,
            auto_decompress=False,  # the digest is of the bytes as sent
            keepalive_timeout=limits.keepalive,
            max_line_size=limits.head_bytes,
            max_field_size=limits.head_bytes,
            read_bufsize=READ_BUFFER,
            lingering_time=min(LINGER, limits.stall_timeout),
        )
        self._entry = entry
        self._limits = limits
        self._lane = Lane(entry, limits.stall_timeout) if limits.lane else None
        self._listeners: list[asyncio.AbstractServer] = []

    async def accept(self, sockets: Iterable[socket.socket], backlog: int) -> None:
        """Begin to accept connections; `backlog` of them may wait on each socket.

        Only these get aiofastnet's transports, for sendfile; what the database's driver opens gets the loop's own.
        """
        for listening in sockets:
            listener = await aiofastnet.create_server(self._loop, self, sock=listening, backlog=backlog)
            self._listeners.append(listener)

    def stop_accepting(self) -> None:
        """Refuse new connections. Those that are there go on."""
        for listener in self._listeners:
            listener.close()

    async def close(self, limit: float) -> None:
        """Close every connection; handlers still at work are cancelled after `limit` seconds."""
        await asyncio.sleep(0)  # what has arrived already begins to be handled, so that it is not taken for idle
        self.pre_shutdown()
        await self.shutdown(limit)

    def __call__(self) -> RequestHandler:
        """Return the protocol of a new connection."""
        return Connection(self, self._entry, self._limits, self._lane, loop=self._loop, **self._kwargs)
