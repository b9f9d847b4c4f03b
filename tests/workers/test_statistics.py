# SPDX-License-Identifier: Apache-2.0
"""What several workers count is added up by the time that they have stopped."""

import asyncio
import signal
import sqlite3
from contextlib import closing

from harness.client import connect
from harness.content import Image

CLIENTS = 20
PULLS = 5


async def pull(server):
    """Pull over a connection of its own, which one of the workers takes."""
    async for client in connect(server.base):
        for _ in range(PULLS):
            assert (await client.get("/v2/a/manifests/v1")).status == 200


async def test_no_pull_is_lost_when_a_server_stops(server):
    image = Image()
    async for client in connect(server.base):
        await client.push_image("a", image, "v1")
    await asyncio.gather(*(pull(server) for _ in range(CLIENTS)))
    server.signal(signal.SIGTERM)
    await asyncio.wait_for(server.ended(), 30)
    with closing(sqlite3.connect(server.data / "estiva.db")) as database:
        counted = database.execute("SELECT name, pulls FROM tag_statistics").fetchall()
        sent = database.execute("SELECT pulls, bytes_sent FROM repository_statistics").fetchall()
    assert counted == [("v1", CLIENTS * PULLS)]
    assert sent == [(CLIENTS * PULLS, CLIENTS * PULLS * len(image.manifest))]
