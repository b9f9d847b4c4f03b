# SPDX-License-Identifier: Apache-2.0
"""A large registry starts as fast as an empty one, and is listed without gathering the list."""

import time

from sqlalchemy import select

from estiva.db import schema
from harness.client import connect
from harness.content import digest
from harness.databases import prepared
from harness.process import ServerProcess

TAGS = 200_000
BATCH = 10_000


async def fill(data):
    """Write a repository with many tags straight into a database."""
    manifest = b"{}"
    database = await prepared(str(data / "estiva.db"))
    await database.write(insert_manifest, digest(manifest), manifest)
    for first in range(0, TAGS, BATCH):
        await database.write(insert_tags, digest(manifest), range(first, first + BATCH))
    await database.close()


def insert_manifest(conn, name, content):
    conn.execute(schema.repositories.insert().values(name="large", created_at=1))
    row = {"media_type": "application/vnd.oci.image.index.v1+json", "size": len(content), "annotations": "{}"}
    values = {"repository_id": repository(conn), "digest": name, "created_at": 1, "content": content}
    conn.execute(schema.manifests.insert().values(**row, **values))


def insert_tags(conn, name, numbers):
    ours = {"repository_id": repository(conn), "digest": name, "updated_at": 1}
    conn.execute(schema.tags.insert(), [{"name": f"v{number:06}", **ours} for number in numbers])


def repository(conn):
    return conn.execute(select(schema.repositories.c.id)).scalar_one()


async def seconds_to_ready(server):
    started = time.monotonic()
    await server.start()
    async for client in connect(server.base):
        assert (await client.get("/readyz")).status == 200
    return time.monotonic() - started


async def test_what_is_stored_does_not_delay_the_start(tmp_path, capsys):
    large, empty = ServerProcess(tmp_path / "large"), ServerProcess(tmp_path / "empty")
    large.data.mkdir()
    await fill(large.data)
    try:
        await empty.start()
        await empty.stop()
        usual, measured = await seconds_to_ready(empty), await seconds_to_ready(large)
        with capsys.disabled():
            print(f"\nready after {usual:.2f} s when empty, {measured:.2f} s with {TAGS} tags")
        assert measured < usual + 1
        async for client in connect(large.base):
            answer = await client.get("/v2/large/tags/list?n=2&last=v199997")
            assert answer.json["tags"] == ["v199998", "v199999"]
            assert len((await client.get("/v2/large/tags/list")).json["tags"]) == TAGS
    finally:
        await large.kill9()
        await empty.kill9()
