# SPDX-License-Identifier: Apache-2.0
"""Bytes on the wire: requests as no well-behaved client would send them."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

PATIENCE = 10  # seconds for whatever the server must do by itself


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection, which reads only when told to."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._buffer = b""

    async def send(self, *pieces: bytes | str) -> None:
        for piece in pieces:
            await self._loop.sock_sendall(self._socket, piece if isinstance(piece, bytes) else piece.encode("latin-1"))

    def take_little(self) -> None:
        """Have the kernel keep few bytes that were not read yet."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def end(self) -> None:
        """Say that nothing more will come."""
        self._socket.shutdown(socket.SHUT_WR)

    async def read(self, size: int) -> bytes:
        """Read exactly so many bytes. Raises EOFError."""
        async with asyncio.timeout(PATIENCE):
            while len(self._buffer) < size:
                await self._fill()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def _fill(self) -> None:
        received = await self._loop.sock_recv(self._socket, 65536)
        if not received:
            raise EOFError
        self._buffer += received

    async def answer(self, method: str = "GET") -> RawAnswer:
        """Read one answer."""
        async with asyncio.timeout(PATIENCE):
            while b"\r\n\r\n" not in self._buffer:
                await self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        status = int(line.split(" ", 2)[1])
        bodiless = method == "HEAD" or status in {100, 204, 304}
        return RawAnswer(status, headers, await self.read(0 if bodiless else int(headers.get("content-length", 0))))

    async def rest(self) -> bytes:
        """Read until the server closes."""
        with contextlib.suppress(EOFError, ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    await self._fill()
        return self._buffer

    async def closed(self) -> bool:
        """Read until the server closes; False when it does not."""
        try:
            async with asyncio.timeout(PATIENCE):
                while await self._loop.sock_recv(self._socket, 65536):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def abort(self) -> None:
        """Break the connection off, unless that was done."""
        if self._socket.fileno() < 0:
            return
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    connection = socket.socket()
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    opened = Wire(connection)
    try:
        yield opened
    finally:
        opened.abort()
