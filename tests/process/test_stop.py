# SPDX-License-Identifier: Apache-2.0
"""A server that is told to stop: transfers under way finish, nothing else holds it."""

import asyncio
import signal
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from harness.client import connect
from harness.content import Image, blob, digest
from harness.raw import wire

HEAD = "Host: registry.test\r\n"
LIMIT = 20  # seconds, far below the drain timeout of an hour

pytestmark = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])


@pytest.fixture
def settings():
    return {"ESTIVA_LIMITS_DRAIN_TIMEOUT": "1h", "ESTIVA_LIMITS_STALL_TIMEOUT": "1h"}


@pytest.fixture
async def client(server):
    async for connected in connect(server.base):
        yield connected


async def told(server, number):
    """Send the signal and wait until the server has taken note."""
    server.signal(number)
    async with asyncio.timeout(LIMIT):
        while '"stopping"' not in server.log:
            await asyncio.sleep(0.01)


async def is_refused(server):
    """Whether the server takes no new connection, waited for."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except ConnectionError:
                return True
            writer.close()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def upload_under_way(server, content):
    """Send a push of a blob but for its last byte, and wait until the server is reading it."""
    async with wire(server.port) as connection:
        path = f"/v2/a/blobs/uploads/?digest={digest(content)}"
        head = f"POST {path} HTTP/1.1\r\n{HEAD}Content-Length: {len(content)}\r\nExpect: 100-continue\r\n\r\n"
        await connection.send(head)
        assert (await connection.answer()).status == 100
        await connection.send(content[:-1])
        yield connection


async def test_an_upload_under_way_is_finished_and_kept(server, number):
    content = blob(500_000)
    async with upload_under_way(server, content) as connection:
        await told(server, number)
        assert await is_refused(server)
        assert server.running
        await connection.send(content[-1:])
        assert (await connection.answer()).status == 201
        assert await connection.closed()
    assert await server.ended(LIMIT) == 0
    await server.start()
    async for again in connect(server.base):
        assert (await again.get(f"/v2/a/blobs/{digest(content)}")).body == content


async def test_the_last_answer_on_a_connection_says_so(server, number):
    """A client that hears `Connection: close` does not send its next request into the void."""
    content = blob(500_000)
    async with upload_under_way(server, content) as connection:
        await told(server, number)
        await connection.send(content[-1:])
        assert (await connection.answer()).headers.get("connection") == "close"


async def test_a_download_under_way_is_finished(server, client, number):
    content = blob(30_000_000)
    location = await client.begin("a")
    for start in range(0, len(content), 1_000_000):
        assert (await client.patch(location, data=content[start : start + 1_000_000])).status == 202
    assert (await client.put(f"{location}?digest={digest(content)}")).status == 201
    async with wire(server.port) as connection:
        await connection.send(f"GET /v2/a/blobs/{digest(content)} HTTP/1.1\r\n{HEAD}\r\n")
        beginning = await connection.read(100)
        await told(server, number)
        assert await is_refused(server)
        answer = beginning + await connection.read(len(content))
        head, _, body = answer.partition(b"\r\n\r\n")
        body += await connection.read(len(head) + 4 - 100)
        assert body == content
        assert await connection.closed()
    assert await server.ended(LIMIT) == 0


async def test_connections_without_a_request_do_not_hold_it(server, number):
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(wire(server.port)) for _ in range(60)]
        for connection in connections[:20]:  # used, and kept alive
            await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n")
            assert (await connection.answer()).status == 200
        for connection in connections[20:40]:  # in the middle of a head
            await connection.send("GET /v2/ HTTP/1.1\r\nHo")
        await told(server, number)
        assert await server.ended(LIMIT) == 0
        assert all([await connection.closed() for connection in connections])


async def test_a_request_on_a_kept_connection_is_answered_and_the_connection_closed(server, client, number):
    """Who is just about to send a request when the server stops gets an answer, or a clean end to try again."""
    async with wire(server.port) as held, wire(server.port) as connection:
        location = await client.begin("a")
        await held.send(f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 10\r\nExpect: 100-continue\r\n\r\n")
        assert (await held.answer()).status == 100
        await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n")
        assert (await connection.answer()).status == 200
        await told(server, number)
        await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n")
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await connection.closed()
        await held.send("1234567890")
        assert (await held.answer()).status == 202
    assert await server.ended(LIMIT) == 0


class TestLimit:
    @pytest.fixture
    def settings(self):
        return {"ESTIVA_LIMITS_DRAIN_TIMEOUT": "500ms", "ESTIVA_LIMITS_STALL_TIMEOUT": "1h"}

    async def test_a_transfer_that_takes_too_long_is_cut_off_and_what_came_can_be_resumed(self, server, client, number):
        content = blob(400_000)
        location = await client.begin("a")
        assert (await client.patch(location, data=content[:1000])).status == 202
        async with wire(server.port) as connection:
            await connection.send(f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 399000\r\n\r\n")
            await connection.send(content[1000:200_000])
            await told(server, number)
            assert await server.ended(LIMIT) == 0
            assert await connection.closed()
        await server.start()
        async for again in connect(server.base):
            offset = int((await again.get(location)).headers["Range"].removeprefix("0-")) + 1
            assert 1000 <= offset <= 200_000
            headers = {"Content-Range": f"{offset}-399999"}
            path = f"{location}?digest={digest(content)}"
            answer = await again.put(path, data=content[offset:], headers=headers)
            assert answer.status == 201, answer

    async def test_a_download_that_nobody_reads_is_cut_off(self, server, client, number):
        content = blob(900_000) * 40
        location = await client.begin("a")
        for start in range(0, len(content), 900_000):
            await client.patch(location, data=content[start : start + 900_000])
        assert (await client.put(f"{location}?digest={digest(content)}")).status == 201
        async with wire(server.port) as connection:
            await connection.send(f"GET /v2/a/blobs/{digest(content)} HTTP/1.1\r\n{HEAD}\r\n")
            await connection.read(100)
            await told(server, number)
            assert await server.ended(LIMIT) == 0
            with pytest.raises((EOFError, ConnectionError)):
                await connection.read(len(content))


async def test_what_was_acknowledged_is_there_after_a_stop(server, client, number):
    images = [Image() for _ in range(10)]
    for image in images:
        await client.push_image("a", image, "v1")
    await told(server, number)
    assert await server.ended(LIMIT) == 0
    assert not (server.data / "estiva.db-wal").exists()
    await server.start()
    async for again in connect(server.base):
        assert (await again.get("/v2/a/manifests/v1")).body == images[-1].manifest


async def test_a_server_that_has_just_been_launched_stops_too(server, number):
    await server.stop()
    server.launch()
    server.signal(number)
    assert await server.ended(LIMIT) in {0, -number, 128 + number, 1}
