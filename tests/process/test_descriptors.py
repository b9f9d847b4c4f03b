# SPDX-License-Identifier: Apache-2.0
"""A server that has no file descriptor left for one more connection outlives it."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from harness.client import connect
from harness.content import blob, digest
from harness.process import serving
from harness.raw import wire
from tests.clients.programs import needed

FEW = 200


@pytest.fixture
async def server(tmp_path):
    """A server that may open few files, whatever it does about it."""
    limit = [needed("prlimit"), f"--nofile={FEW}:{FEW}", "--"]
    async with serving(tmp_path / "data", wrapper=limit) as running:
        yield running


async def test_more_connections_than_descriptors_end_with_the_connections(server):
    content = blob()
    async for client in connect(server.base):
        await client.push_blob("a", content)
    async with AsyncExitStack() as stack:
        many = [await stack.enter_async_context(wire(server.port)) for _ in range(FEW + 100)]
        await asyncio.gather(*(connection.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n") for connection in many))
        assert (await many[0].answer()).status == 200
        assert server.running
    async with asyncio.timeout(30):
        async for client in connect(server.base):
            assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content
            await client.push_blob("b", blob())


async def test_the_server_takes_as_many_as_the_machine_allows(tmp_path):
    """Services start with a soft limit of 1024, which is for programs that use select(2)."""
    limit = [needed("prlimit"), "--nofile=256:4096", "--"]
    async with serving(tmp_path / "data", wrapper=limit) as server, AsyncExitStack() as stack:
        many = [await stack.enter_async_context(wire(server.port)) for _ in range(400)]
        for connection in many:
            await connection.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert all([(await connection.answer()).status == 200 for connection in many])
