# SPDX-License-Identifier: Apache-2.0
"""What a worker remembers is never older than what another one has acknowledged."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from harness.client import connect
from harness.content import OCI_MANIFEST, Image
from harness.raw import wire

CROWD = 16  # connections that keep every worker busy, and full of what it remembers
CHANGES = 200


@pytest.fixture
def settings():
    return {"ESTIVA_WORKERS": "2", "ESTIVA_LOG_ACCESS": "false"}


async def pull(connection, tag):
    await connection.send(f"GET /v2/a/manifests/{tag} HTTP/1.1\r\nHost: registry.test\r\n\r\n")
    return (await connection.answer()).body


async def keep_pulling(connection, stop):
    while not stop.is_set():
        await pull(connection, "v1")


async def test_a_tag_that_was_moved_is_pulled_as_it_is_now(server):
    images, stop = [Image(), Image()], asyncio.Event()
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(wire(server.port)) for _ in range(CROWD)]
        readers = [await stack.enter_async_context(wire(server.port)) for _ in range(4)]
        async for client in connect(server.base):
            for image in images:
                await client.push_image("a", image, "v1")
            pulling = [asyncio.create_task(keep_pulling(connection, stop)) for connection in crowd]
            for number in range(CHANGES):
                image = images[number % 2]
                answer = await client.put_manifest("a", "v1", image.manifest, OCI_MANIFEST)
                assert answer.status == 201, answer
                pulled = await asyncio.gather(*(pull(reader, "v1") for reader in readers))
                assert set(pulled) == {image.manifest}
            stop.set()
            await asyncio.gather(*pulling)
