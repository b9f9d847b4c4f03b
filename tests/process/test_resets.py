# SPDX-License-Identifier: Apache-2.0
"""Clients that break off: the server notices at once, and their uploads can be resumed."""

import asyncio
import socket
import struct

import pytest

from harness.client import connect
from harness.content import blob, digest

CLIENTS = 40
SIZE = 900_000
LIMIT = 20  # seconds, far below the stall timeout


@pytest.fixture
def settings():
    return {"ESTIVA_LIMITS_STALL_TIMEOUT": "1h"}


@pytest.fixture
async def client(server):
    async for connected in connect(server.base):
        yield connected


def send_and_reset(port, pieces):
    """Send bytes and reset the connection in the same moment, as a client does that is killed."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for piece in pieces:
            connection.sendall(piece)


async def offset_of(client, location):
    answer = await client.get(location)
    return int(answer.headers["Range"].removeprefix("0-"))


async def test_an_upload_whose_client_was_killed_can_be_resumed_at_once(server, client):
    content = blob(SIZE)
    locations = [await client.begin("a") for _ in range(CLIENTS)]
    heads = [f"PATCH {location} HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n" for location in locations]
    sending = (asyncio.to_thread(send_and_reset, server.port, (head.encode(), content[:500_000])) for head in heads)
    await asyncio.gather(*sending)
    async with asyncio.timeout(LIMIT):
        for location in locations:
            while (answer := await client.patch(location, data=b"")).status == 416:
                await asyncio.sleep(0.05)
            assert answer.status == 202, answer
    for location in locations[:5]:
        shown = await offset_of(client, location)
        start = shown + 1 if shown else 0
        headers = {"Content-Range": f"{start}-{SIZE - 1}"}
        answer = await client.put(f"{location}?digest={digest(content)}", data=content[start:], headers=headers)
        assert answer.status == 201, answer


async def test_connections_that_were_reset_are_let_go(server, client):
    request = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"
    sending = (asyncio.to_thread(send_and_reset, server.port, [request * 20]) for _ in range(CLIENTS))
    await asyncio.gather(*sending)
    async with asyncio.timeout(LIMIT):
        while await open_connections(client) > 1:
            await asyncio.sleep(0.05)


async def open_connections(client):
    metrics = (await client.get("/metrics")).body.decode()
    (line,) = (line for line in metrics.splitlines() if line.startswith("estiva_connections "))
    return float(line.split()[1])
