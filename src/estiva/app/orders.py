# SPDX-License-Identifier: Apache-2.0
"""What supervisor and worker say to each other: lines on a channel, and SIGTERM.

worker -> supervisor   ready            all is open: connections could be accepted
supervisor -> worker   serve            accept connections; before it, none
                       adopt <position> accept those of that seat too, which has no worker
                       free <holder>    that process is dead: free its upload sessions
                       retire           accept no more, end when everything under way has ended
                       (SIGTERM)        as `retire`, within `limits.drain_timeout`
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from estiva.app.children import HEARD, ORPHANED

READY = b"ready\n"
SERVE = b"serve\n"
RETIRE = b"retire\n"

Follow = Callable[[str], Coroutine[Any, Any, object]]

_log = structlog.get_logger("estiva")


def free(holder: str) -> bytes:
    """Return the order to free what a dead process held."""
    return f"free {holder}\n".encode()


def adopt(position: int) -> bytes:
    """Return the order to accept the connections of a seat that has no worker."""
    return f"adopt {position}\n".encode()


class Orders:
    """The worker's end. Made in its event loop, when the worker is able to hear signals."""

    def __init__(self, channel: socket.socket) -> None:
        self.serve = asyncio.Event()
        self.stop = asyncio.Event()
        self.retire = asyncio.Event()
        self._channel = channel
        self._channel.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._follow: Mapping[str, Follow] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)

    def follow(self, follow: Mapping[str, Follow]) -> None:
        """Listen to the supervisor, and die with it; `follow` tells by the first word of an order what does it."""
        self._follow = follow
        self._loop.add_reader(self._channel.fileno(), self._read)

    def say_ready(self) -> None:
        """Tell the supervisor that connections could be accepted."""
        self._channel.send(READY)

    async def told_to_serve(self) -> bool:
        """Wait until connections are to be accepted; False when the worker is to end instead."""
        await _first_of(self.serve, self.stop, self.retire)
        return not (self.stop.is_set() or self.retire.is_set())

    async def told_to_end(self) -> None:
        """Wait until the worker is to end."""
        await _first_of(self.stop, self.retire)

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
            word, _, argument = line.partition(" ")
            if word == "serve":
                self.serve.set()
            elif word == "retire":
                self.retire.set()
            else:
                task = asyncio.create_task(self._try(word, argument))
                self._following.add(task)
                task.add_done_callback(self._following.discard)

    async def _try(self, word: str, argument: str) -> None:
        try:
            await self._follow[word](argument)
        except Exception:  # noqa: BLE001 - leases run out by themselves, and connections wait
            _log.exception("order_failed", order=word, argument=argument)


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
