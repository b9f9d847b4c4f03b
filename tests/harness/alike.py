# SPDX-License-Identifier: Apache-2.0
"""Servers that differ in one thing, and what they say to the same bytes."""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.content import Image
from harness.raw import Wire, wire
from harness.server import Registry

HEAD = "Host: registry.test\r\nUser-Agent: puller/1.0\r\nAccept: */*\r\n"


@dataclass(frozen=True)
class Pair:
    """The same content on a server with the lane and on one without."""

    fast: Registry
    plain: Registry
    image: Image
    blob: str


TURNS = 20  # of the event loop, in which a server in this process reads a piece before the next one comes


async def exchange(registry: Registry, *pieces: bytes) -> bytes:
    """Send the pieces on one connection, and return everything that comes back until the server closes it."""
    async with wire(registry.port) as connection:
        receiving = asyncio.create_task(connection.rest())
        with contextlib.suppress(ConnectionError):  # it may be closed before everything is sent
            await send_apart(connection, pieces)
        return comparable(await receiving)


async def send_apart(connection: Wire, pieces: Sequence[bytes]) -> None:
    """Send the pieces so that each can be read before the next one comes."""
    for piece in pieces:
        await connection.send(piece)
        for _ in range(TURNS):
            await asyncio.sleep(0)


def comparable(answers: bytes) -> bytes:
    """Return the answers without what differs each time."""
    for request_id in set(re.findall(rb"X-Request-Id: (\w+)", answers)):
        answers = answers.replace(request_id, b"0" * 16)
    return re.sub(rb"\r\nDate: [^\r]+", b"\r\nDate: then", answers)
