# SPDX-License-Identifier: Apache-2.0
"""What a client finds when it comes back after a crash, and what the next start does about it."""

import asyncio
import io
import random

import pytest

from harness.audit import Stock, read_abandoned_sqlite
from harness.client import connect
from harness.content import Image, blob, digest
from harness.objects import object_sizes
from harness.process import ServerProcess
from harness.raw import wire

from .rounds import chosen_seed

pytestmark = pytest.mark.crash

STARTS = 12
SLOWEST_START = 1.5  # seconds, after which a start is surely over


@pytest.fixture
async def server(tmp_path):
    server = ServerProcess(tmp_path / "data", {"ESTIVA_LIMITS_STALL_TIMEOUT": "1h"})
    yield server
    await server.kill9()


def faults(server):
    return Stock(read_abandoned_sqlite(server.data / "estiva.db"), server.data / "blobs", set()).faults()


async def test_a_server_that_is_killed_while_it_starts_can_be_started_again(server, capsys):
    seed = chosen_seed()
    draw = random.Random(seed)
    with capsys.disabled():
        print(f"\n{STARTS} starts killed with ESTIVA_TEST_SEED={seed}")
    for _ in range(STARTS):
        server.launch()
        await asyncio.wait([asyncio.create_task(server.ended())], timeout=draw.uniform(0, SLOWEST_START))
        await server.kill9()
    image = Image()
    await server.start()
    async for client in connect(server.base):
        await client.push_image("a", image, "v1")
    await server.kill9()
    assert faults(server) == []
    await server.start()
    async for client in connect(server.base):
        assert (await client.get("/v2/a/manifests/v1")).body == image.manifest


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_an_upload_in_motion_at_the_crash_can_be_resumed_at_once(server, method):
    """The lease of the request that died with the server must not keep its client waiting."""
    content = blob(3_000_000)
    await server.start()
    async for client in connect(server.base):
        location = await client.begin("a")
        assert (await client.patch(location, data=content[:1000])).status == 202
    async with wire(server.port) as connection:
        query = f"?digest={digest(content)}" if method == "PUT" else ""
        head = f"{method} {location}{query} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(content) - 1000}\r\n\r\n"
        await connection.send(head, content[1000:2_500_000])
        await has_stored(server, 2_000_000)
        await server.kill9()
    await server.start()
    async for client in connect(server.base):
        status = await client.get(location)
        assert (status.status, status.headers["Range"]) == (204, "0-999")
        answer = await client.put(
            f"{location}?digest={digest(content)}",
            data=io.BytesIO(content[1000:]),
            headers={"Content-Range": f"1000-{len(content) - 1}"},
        )
        assert answer.status == 201, answer
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content


async def has_stored(server, size):
    """Wait until the store holds so many bytes."""
    async with asyncio.timeout(30):
        while sum(object_sizes(server.data)) < size:
            await asyncio.sleep(0.01)
