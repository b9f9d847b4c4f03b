# SPDX-License-Identifier: Apache-2.0
"""Bytes on the wire: requests as no well-behaved client would send them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes | str) -> None:
        for piece in pieces:
            self.writer.write(piece if isinstance(piece, bytes) else piece.encode("latin-1"))
        await self.writer.drain()

    async def answer(self, method: str = "GET") -> RawAnswer:
        """Read one answer; waits ten seconds at most."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.split("\r\n")[:-2]
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            status = int(line.split(" ", 2)[1])
            bodiless = method == "HEAD" or status in {100, 204, 304}
            length = 0 if bodiless else int(headers.get("content-length", 0))
            return RawAnswer(status, headers, await self.reader.readexactly(length))

    async def closed(self) -> bool:
        """Wait until the server closes, ten seconds at most."""
        try:
            async with asyncio.timeout(10):
                while await self.reader.read(65536):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
