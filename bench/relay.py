# SPDX-License-Identifier: Apache-2.0
"""A wire with a length: passes bytes on, each direction later by some milliseconds.

`python -m bench.relay PORT TARGET_PORT MILLISECONDS`. On loopback an answer costs nothing to wait for; here every
round trip does, as it does between machines.
"""

import asyncio
import sys
from typing import cast

import uvloop

from bench.wire import HOST

_MOST = 8 * 1024 * 1024
"""Bytes on their way in one direction, as much as fits into 1 ms at 64 Gbit/s; beyond it reading pauses."""


class End(asyncio.Protocol):
    """One end of a relayed connection."""

    def __init__(self, delay: float) -> None:
        self.transport: asyncio.Transport | None = None
        self._delay = delay
        self._other: End | None = None
        self._early: list[bytes] = []
        self._flying = 0
        self._paused = False

    def join(self, other: "End") -> None:
        """Send what comes here on to `other` from now on."""
        self._other = other
        for data in self._early:
            self._send_later(data)
        self._early.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on later."""
        if self._other is None:
            self._early.append(data)
        else:
            self._send_later(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end, after what is still on its way."""
        if self._other is not None and self._other.transport is not None:
            asyncio.get_running_loop().call_later(self._delay, self._other.transport.close)

    def _send_later(self, data: bytes) -> None:
        self._flying += len(data)
        asyncio.get_running_loop().call_later(self._delay, self._send, data)
        if self._flying > _MOST and self.transport is not None and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def _send(self, data: bytes) -> None:
        self._flying -= len(data)
        if self._other is not None and self._other.transport is not None and not self._other.transport.is_closing():
            self._other.transport.write(data)
        if self._paused and self._flying < _MOST and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()


class Near(End):
    """The end to which a client connects; makes the other one."""

    def __init__(self, delay: float, target: int) -> None:
        super().__init__(delay)
        self._target = target
        self._joining: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server."""
        super().connection_made(transport)
        self._joining = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, far = await loop.create_connection(lambda: End(self._delay), HOST, self._target)
        far.join(self)
        self.join(far)


async def serve(port: int, target: int, delay: float) -> None:
    """Relay until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Near(delay, target), HOST, port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
