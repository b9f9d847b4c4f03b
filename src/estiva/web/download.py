# SPDX-License-Identifier: Apache-2.0
"""Send content: whole, in ranges, or not at all when the client has it.

1. The kernel sends from the file (sendfile) where there is one and the connection is plain. What it would have to wait
   for, it reads before, in a thread: sendfile in the event loop's thread would stop everybody for each read.
2. Never compressed: clients compare Content-Length with the digest's size, and fetch ranges in parallel.
3. A client that takes no byte for the stall timeout is cut off; one that is merely slow is not.
"""

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import aiofastnet
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import StreamResponse

from estiva.blobstore import Reader
from estiva.errors import ServerError
from estiva.oci.ranges import Span, content_range
from estiva.web.call import Call
from estiva.web.stall import StallGuard

WINDOW = 4 * 1024 * 1024  # bytes that are brought into memory, if they are not there, and then sent
AHEAD = 2  # windows that are brought into memory meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of the answer: the bytes `before`, then those of the span."""

    before: bytes = b""
    span: Span


class Download:
    """Sends one object of `size` bytes to one client."""

    def __init__(self, reader: Reader, size: int, media_type: str, stall_timeout: float) -> None:
        self._reader = reader
        self._size = size
        self._media_type = media_type
        self._stall_timeout = stall_timeout

    async def send(self, call: Call, headers: Mapping[str, str], spans: tuple[Span, ...] | None) -> StreamResponse:
        """Send the whole object, or the spans (RFC 9110, sections 14.4 and 14.6)."""
        response = StreamResponse(headers={"Content-Type": self._media_type, **headers})
        if spans is None:
            parts = [Part(span=Span(0, self._size))]
            closing = b""
        elif len(spans) == 1:
            response.set_status(206)
            response.headers["Content-Range"] = content_range(spans[0], self._size)
            parts, closing = [Part(span=spans[0])], b""
        else:
            response.set_status(206)
            boundary = secrets.token_hex(16)
            response.headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
            parts, closing = self._multipart(spans, boundary)
        await self._send_parts(call, response, parts, closing)
        return response

    def _multipart(self, spans: tuple[Span, ...], boundary: str) -> tuple[list[Part], bytes]:
        parts = []
        for span in spans:
            head = (
                f"\r\n--{boundary}\r\nContent-Type: {self._media_type}\r\n"
                f"Content-Range: {content_range(span, self._size)}\r\n\r\n"
            )
            parts.append(Part(before=head.encode(), span=span))
        return parts, f"\r\n--{boundary}--\r\n".encode()

    async def _send_parts(self, call: Call, response: StreamResponse, parts: list[Part], closing: bytes) -> None:
        total = sum(len(part.before) + part.span.stop - part.span.start for part in parts) + len(closing)
        response.content_length = total
        writer = await call.begin(response)
        transport = call.transport()
        with StallGuard(transport, self._stall_timeout):
            for part in parts:
                if part.before:
                    await writer.write(part.before)
                await self._send_span(call, writer, transport, part.span)
            if closing:
                await writer.write(closing)
            await response.write_eof()

    async def _send_span(
        self, call: Call, writer: AbstractStreamWriter, transport: asyncio.Transport, span: Span
    ) -> None:
        file = self._reader.file
        if file is None or transport.get_extra_info("sslcontext") is not None:
            await self._send_chunks(call, writer, transport, span)
        elif span.stop > span.start:
            writer.send_headers()  # they wait for the first write otherwise, and the body would overtake them
            await writer.drain()
            await self._send_file(call, transport, file, span)
            if os.fstat(file.fileno()).st_size < span.stop:  # sendfile takes the end of the file for the end
                transport.abort()
                raise ConnectionResetError("the file became shorter while it was sent")

    async def _send_file(self, call: Call, transport: asyncio.Transport, file: BinaryIO, span: Span) -> None:
        loop = asyncio.get_running_loop()
        starts = range(span.start, span.stop, WINDOW)
        ahead: deque[asyncio.Future[bool]] = deque()
        try:
            for number, start in enumerate(starts):
                stop = min(start + WINDOW, span.stop)
                cold = await (ahead.popleft() if ahead else self._reader.fetch(start, stop))
                if cold:  # where one window was on the disk only, the next ones will be too
                    coming = starts[number + 1 + len(ahead) : number + 1 + AHEAD]
                    ahead.extend(asyncio.ensure_future(self._fetch(one, span)) for one in coming)
                await aiofastnet.sendfile(loop, transport, file, start, stop - start)
                call.sent += stop - start
        finally:
            # Threads may be reading: the file must not be closed yet.
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _fetch(self, start: int, span: Span) -> bool:
        return await self._reader.fetch(start, min(start + WINDOW, span.stop))

    async def _send_chunks(
        self, call: Call, writer: AbstractStreamWriter, transport: asyncio.Transport, span: Span
    ) -> None:
        try:
            async for chunk in self._reader.chunks(span.start, span.stop):
                await writer.write(chunk)
                call.sent += len(chunk)
        except ServerError:
            # The head is out: all that is left is to end so that the client sees that bytes are missing.
            transport.abort()
            raise
