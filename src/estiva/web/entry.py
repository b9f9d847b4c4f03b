# SPDX-License-Identifier: Apache-2.0
"""What surrounds every request: an id, the way to its handler, errors made answers, the access line, metrics.

1. Whatever a handler raises becomes an answer here, and only here.
2. Once a head has gone out, an error can only be shown by cutting the connection: a client must never take a part
   for the whole.
3. A request that is refused before its body was asked for (`Expect: 100-continue`) closes the connection, since
   nobody can know whether a body follows.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping

import structlog
from aiohttp.web import BaseRequest, Response, StreamResponse
from multidict import MultiMapping

from estiva.content.statistics import Statistics
from estiva.errors import (
    EstivaError,
    MethodUnsupported,
    RequestInvalid,
    RouteUnknown,
    ServerError,
    StorageFull,
    StorageUnavailable,
    TooBusy,
)
from estiva.telemetry.access import Access, AccessWriter
from estiva.telemetry.metrics import Limit, Metrics, StorageFault
from estiva.telemetry.request_ids import RequestIds
from estiva.web import responses
from estiva.web.call import Call
from estiva.web.forwarded import ClientAddresses
from estiva.web.framed import framing_fault
from estiva.web.remembered import Moment
from estiva.web.responses import Answer
from estiva.web.stall import StallGuard
from estiva.web.v2 import V2

Page = Callable[[Call], Awaitable[Answer]]

BAD_REQUEST = 400  # the first status that says that something went wrong
CUT_SHORT = 499  # in the log and the metrics: no whole answer reached the client (nginx's number for it)

_log = structlog.get_logger("estiva.web")


class Entry:
    """Takes every request that the server parses. `pages` are the endpoints outside `/v2`, all for GET and HEAD.

    `snapshot` tells, in the callback of a socket, of which moment pulls can be answered at once; see `Database`.
    """

    def __init__(
        self,
        v2: V2,
        pages: Mapping[str, Page],
        addresses: ClientAddresses,
        telemetry: tuple[Metrics, AccessWriter, Statistics],
        stall_timeout: float,
        snapshot: Callable[[], Moment | None],
    ) -> None:
        self.snapshot = snapshot
        self.place, self.answer_at = v2.place, v2.answer_at
        self._v2 = v2
        self._pages = pages
        self._addresses = addresses
        self._metrics, self._access, self._statistics = telemetry
        self._stall_timeout = stall_timeout
        self._ids = RequestIds()
        self._idle = asyncio.Event()
        self._idle.set()
        self._under_way = self._connections = 0
        self.stopping = asyncio.Event()

    async def idle(self) -> None:
        """Wait until no request is under way."""
        await self._idle.wait()

    async def handle(self, request: BaseRequest) -> StreamResponse:
        """Answer one request, completely."""
        if (fault := framing_fault(request)) is not None:
            return self.reject(request, RequestInvalid(fault))
        started = time.perf_counter()  # uvloop's own clock stands still for a millisecond
        call = self.call(request.method, request.raw_path, request.headers, request.remote)
        call.source, status = request, CUT_SHORT
        try:
            with self.under_way():
                response = await self._respond(call)
            status = response.status
        finally:
            if call.release is not None:
                call.release(call)
            self.tell(call, status, started)
        return response

    def call(self, method: str, target: str, headers: MultiMapping[str], peer: str | None) -> Call:
        """Return a call that came just now, with an id of its own; `tell` must follow once it is answered."""
        return Call(
            id=self._ids.new(),
            client=self._addresses.address(peer, headers),
            method=method,
            target=target,
            headers=headers,
            stopping=self.stopping,
        )

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a request as under way, as long as the block runs."""
        self._under_way += 1
        self._idle.clear()
        self._metrics.in_flight(self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1
            self._metrics.in_flight(self._under_way)
            if not self._under_way:
                self._idle.set()

    async def _respond(self, call: Call) -> StreamResponse:
        try:
            answer = await self._route(call)
        except Exception as error:  # noqa: BLE001 - the one place where errors end
            answer = self._render(call, error)
        return await self._send(call, answer) if isinstance(answer, Answer) else answer

    async def _route(self, call: Call) -> Answer | StreamResponse:
        call.parse()
        if call.path.lstrip("/").partition("/")[0] == "v2":
            return await self._v2.answer(call)
        page = self._pages.get(call.path)
        if page is None:
            raise RouteUnknown("nothing is here; the registry's API is under /v2/")
        if call.method not in {"GET", "HEAD"}:
            raise MethodUnsupported("only GET and HEAD are possible here", headers={"Allow": "GET, HEAD"})
        call.endpoint = call.path
        return await page(call)

    def _render(self, call: Call, error: Exception) -> Answer:
        if call.request.writer.output_size > 0:
            _log.warning("answer_cut_short", request_id=call.id, path=call.path, error=str(error))
            if call.request.transport is not None:
                call.request.transport.abort()
            raise ConnectionResetError("the answer was cut short") from error
        if isinstance(error, TooBusy):  # the metrics and the access line tell of it: a flood must not flood the log
            pass
        elif isinstance(error, ServerError):
            self._count(error)
            _log.error("request_failed", request_id=call.id, error=error.message, cause=str(error.__cause__ or ""))
        elif not isinstance(error, EstivaError):
            _log.error("request_failed", request_id=call.id, exc_info=error)
        return responses.render_error(error, call.id, call.upload_path)

    def _count(self, error: ServerError) -> None:
        if isinstance(error, StorageFull):
            self._metrics.storage_failed(StorageFault.FULL)
        elif isinstance(error, StorageUnavailable):
            self._metrics.storage_failed(StorageFault.UNAVAILABLE)

    def limit_reached(self, limit: Limit) -> None:
        """Count something that was refused because of a limit."""
        self._metrics.refused(limit)

    def connected(self) -> int:
        """Count a connection, and return how many there are now; `disconnected` must follow."""
        self._connections += 1
        self._metrics.connection_opened()
        return self._connections

    def disconnected(self) -> None:
        """Count the end of a connection."""
        self._connections -= 1
        self._metrics.connection_closed()

    async def _send(self, call: Call, answer: Answer) -> StreamResponse:
        with StallGuard(call.transport(), self._stall_timeout):
            response = await call.send(answer)
        call.count(answer)
        return response

    def reject(self, request: BaseRequest, error: EstivaError) -> Response:
        """Answer what could not be parsed as a request, or will not be; the connection closes."""
        request_id = self._ids.new()
        response = responses.to_response(responses.render_error(error, request_id), request_id, "/v2/")
        response.force_close()
        self._metrics.answered("malformed", "-", response.status, 0.0)
        client = request.remote or "-"
        self._access.write(Access(request_id=request_id, client=client, method="-", path="-", status=response.status))
        return response

    def tell(self, call: Call, status: int, started: float) -> None:
        """Note an answer in metrics, statistics and log; `started` is the performance counter's time of its request."""
        duration = time.perf_counter() - started
        self._metrics.answered(call.endpoint, call.method, status, duration)
        self._metrics.transferred(received=call.received, sent=call.sent)
        if call.repository_id is not None and (status < BAD_REQUEST or status == CUT_SHORT):
            if call.pulled is not None:
                self._statistics.pulled(call.repository_id, *call.pulled)
            self._statistics.sent(call.repository_id, call.sent)
        self._access.write(
            Access(
                request_id=call.id,
                client=call.client,
                method=call.method,
                path=call.path,
                repository=call.repository,
                reference=call.reference,
                status=status,
                bytes_sent=call.sent,
                bytes_received=call.received,
                duration_ms=duration * 1000,
                user_agent=call.header("User-Agent") or "",
            )
        )
