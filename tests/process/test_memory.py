# SPDX-License-Identifier: Apache-2.0
"""Invariant 13: memory and threads are bounded, whatever is sent and however slowly.

The bounds are generous: they tell a server that streams from one that gathers.
"""

import asyncio
import contextlib
import hashlib
import io
import json
from contextlib import AsyncExitStack

import pytest

from harness.client import connect
from harness.content import Image, blob, digest
from harness.objects import object_sizes
from harness.raw import wire

HEAD = "Host: registry.test\r\n"
KIB = 1024  # bytes in the unit of /proc
LARGE = 512 * KIB * KIB  # bytes
CHUNK = bytes(range(256)) * 1024
MANIFEST = 4 * KIB * KIB  # bytes
IDLE = 1000  # connections
SLOW = 500


@pytest.fixture
def settings():
    return {"ESTIVA_LIMITS_STALL_TIMEOUT": "1h", "ESTIVA_LIMITS_HEAD_TIMEOUT": "1h"}


@pytest.fixture
async def client(server):
    async for connected in connect(server.base):
        yield connected


@pytest.fixture
def grown(status):
    """How much memory of its own the server has taken since the test began, in KiB."""
    before = status("RssAnon")
    return lambda: status("RssAnon") - before


async def large_body():
    for _ in range(LARGE // len(CHUNK)):
        yield CHUNK


async def test_a_large_blob_passes_through_in_both_directions(server, client, grown):
    expected = hashlib.sha256(CHUNK * (LARGE // len(CHUNK))).hexdigest()
    location = await client.begin("a")
    answer = await client.put(f"{location}?digest=sha256:{expected}", data=large_body())
    assert answer.status == 201, answer
    assert grown() < 64 * KIB
    pulled = hashlib.sha256()
    async with client._session.get(f"{server.base}/v2/a/blobs/sha256:{expected}") as response:
        async for piece in response.content.iter_any():
            pulled.update(piece)
    assert pulled.hexdigest() == expected
    assert grown() < 64 * KIB


async def test_clients_that_do_not_read_their_download_cost_little(server, client, grown):
    content = CHUNK * 128
    location = await client.begin("a")
    for start in range(0, len(content), 512 * KIB):
        assert (await client.patch(location, data=content[start : start + 512 * KIB])).status == 202
    assert (await client.put(f"{location}?digest={digest(content)}")).status == 201
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(wire(server.port)) for _ in range(100)]
        for reader in readers:
            await reader.send(f"GET /v2/a/blobs/{digest(content)} HTTP/1.1\r\n{HEAD}\r\n")
            assert (await reader.read(4096)).startswith(b"HTTP/1.1 200")
        assert grown() < 64 * KIB


async def test_manifests_that_do_not_come_to_their_end_are_bounded_together(server, client, grown):
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(wire(server.port)) for _ in range(100)]
        for connection in slow:
            await connection.send(f"PUT /v2/a/manifests/v1 HTTP/1.1\r\n{HEAD}Content-Length: {MANIFEST}\r\n\r\n")
        refused = await asyncio.gather(*(fill(connection, MANIFEST - 1) for connection in slow))
        assert grown() < 160 * KIB
        assert {status for status in refused if status} == {503}
        image = Image()
        await client.push_image("a", image, "v1")


async def fill(connection, size):
    """Send most of a body; return the status of the answer that comes early, if one does."""
    with contextlib.suppress(ConnectionError):
        await connection.send(bytes(size))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            return (await connection.answer()).status
    return None


async def test_manifests_that_nobody_reads_are_bounded_together(server, client, grown):
    image = Image()
    await client.push_image("a", image, "v1")
    large = json.dumps(json.loads(image.manifest) | {"annotations": {"x": "y" * (MANIFEST - 10_000)}}).encode()
    assert (await client.put_manifest("a", "large", large)).status == 201
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(wire(server.port)) for _ in range(100)]
        for reader in readers:
            reader.take_little()
            await reader.send(f"GET /v2/a/manifests/large HTTP/1.1\r\n{HEAD}\r\n")
        heads = [await reader.read(12) for reader in readers]
        assert set(heads) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}  # the kernel may take a whole one
        assert grown() < 160 * KIB
        assert (await client.get("/v2/a/manifests/v1")).body == image.manifest


async def test_idle_connections_cost_little_and_no_thread(server, client, grown, status):
    await client.push_blob("a", blob())
    threads = status("Threads")
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(wire(server.port)) for _ in range(IDLE)]
        for number, connection in enumerate(idle):
            await connection.send((f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n", f"GET /v2/ HTTP/1.1\r\n{HEAD}X-")[number % 2])
        assert all([(await connection.answer()).status == 200 for connection in idle[::2]])
        content = blob()
        await client.push_blob("b", content)
        assert (await client.get(f"/v2/b/blobs/{digest(content)}")).body == content
        assert grown() < 100 * KIB
        assert status("Threads") <= threads + 8


async def test_slow_uploads_hold_sockets_and_no_threads(server, client, grown, status):
    await client.push_blob("a", blob())
    threads = status("Threads")
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(wire(server.port)) for _ in range(SLOW)]
        for connection in slow:
            location = await client.begin("a")
            await connection.send(f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n")
            await connection.send("Expect: 100-continue\r\n\r\n")
        assert all([(await connection.answer()).status == 100 for connection in slow])
        await asyncio.gather(*(connection.send(bytes(999)) for connection in slow))
        content = blob()
        await client.push_blob("b", content)
        assert (await client.get(f"/v2/b/blobs/{digest(content)}")).body == content
        assert status("Threads") <= threads + 8
        assert grown() < 64 * KIB
        await asyncio.gather(*(connection.send(bytes(1)) for connection in slow))
        assert all([(await connection.answer()).status == 202 for connection in slow])


async def test_many_uploads_at_once_share_the_memory(server, client, grown):
    content = CHUNK * 24
    locations = [await client.begin("a") for _ in range(40)]
    path = f"?digest={digest(content)}"
    pushes = (client.put(f"{location}{path}", data=io.BytesIO(content)) for location in locations)
    assert {answer.status for answer in await asyncio.gather(*pushes)} == {201}
    assert grown() < 128 * KIB


async def test_slow_uploads_do_not_gather_what_they_have_sent(server, client, grown):
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(wire(server.port)) for _ in range(200)]
        for connection in slow:
            location = await client.begin("a")
            await connection.send(f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 900001\r\n\r\n")
        await asyncio.gather(*(connection.send(bytes(900_000)) for connection in slow))
        received = 0
        async with asyncio.timeout(30):
            while received < 200 * 900_000:
                received = sum(object_sizes(server.data))
                await asyncio.sleep(0.05)
        assert grown() < 100 * KIB
        await asyncio.gather(*(connection.send(bytes(1)) for connection in slow))
        assert all([(await connection.answer()).status == 202 for connection in slow])


async def test_a_manifest_that_is_too_large_is_not_gathered(client, grown):
    await client.begin("a")
    for _ in range(3):
        answer = await client.put("/v2/a/manifests/v1", data=large_body())
        assert answer.status == 413
    assert grown() < 64 * KIB
