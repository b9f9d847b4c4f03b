# SPDX-License-Identifier: Apache-2.0
"""What supervisor and worker say to each other: lines on a channel, and SIGTERM.

supervisor -> worker   retire        accept no more, end when everything under way has ended
free <holder> that process is dead: free its upload sessions
(SIGTERM)     as `retire`, within `limits.drain_timeout`
worker -> supervisor   ready         connections are accepted
"""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable

import structlog

from estiva.app.children import HEARD, ORPHANED

READY = b"ready\n"
RETIRE = b"retire\n"

Free = Callable[[str], Awaitable[object]]

_log = structlog.get_logger("estiva")


def free(holder: str) -> bytes:
    """Return the order to free what a dead process held."""
    return f"free {holder}\n".encode()


class Orders:
    """The worker's end. Made in its event loop, when the worker is able to hear signals."""

    def __init__(self, channel: socket.socket) -> None:
        self.stop = asyncio.Event()
        self.retire = asyncio.Event()
        self._channel = channel
        self._channel.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._free: Free | None = None
        self._freeing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)

    def follow(self, free_of: Free) -> None:
        """Listen to the supervisor, and die with it; `free_of` is called with the names of dead processes."""
        self._free = free_of
        self._loop.add_reader(self._channel.fileno(), self._read)

    def say_ready(self) -> None:
        """Tell the supervisor that connections are accepted."""
        self._channel.send(READY)

    async def told(self) -> None:
        """Wait until the worker is to end."""
        waiting = [asyncio.create_task(event.wait()) for event in (self.stop, self.retire)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    def _read(self) -> None:
        try:
            said = self._channel.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            said = b""
        if not said:
            os._exit(ORPHANED)
        for line in said.decode().splitlines():  # a line is far shorter than what one call reads
            word, _, holder = line.partition(" ")
            if word == "retire":
                self.retire.set()
            elif word == "free":
                task = asyncio.create_task(self._try_to_free(holder))
                self._freeing.add(task)
                task.add_done_callback(self._freeing.discard)

    async def _try_to_free(self, holder: str) -> None:
        assert self._free is not None
        try:
            await self._free(holder)
        except Exception:  # noqa: BLE001 - they run out by themselves
            _log.exception("leases_not_freed", holder=holder)
