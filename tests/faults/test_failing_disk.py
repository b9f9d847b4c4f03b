# SPDX-License-Identifier: Apache-2.0
"""A disk that gives errors: what was not stored is not acknowledged, and the server goes on when the disk does."""

import pytest

from harness.audit import Stock, read_abandoned_sqlite, read_served_sqlite
from harness.client import connect, tells_of_failure
from harness.content import Image, blob, digest
from harness.objects import object_files
from harness.process import serving
from tests.clients.programs import needed

from .injection import failing

pytestmark = pytest.mark.crash


@pytest.fixture
async def server(tmp_path):
    needed("strace")
    async with serving(tmp_path / "data", {"ESTIVA_STORAGE_SWEEP_EVERY": "1h"}) as running:
        yield running


@pytest.fixture
async def client(server):
    async for connected in connect(server.base):
        yield connected


def faults(server):
    return Stock(read_served_sqlite(server.data / "estiva.db"), server.data / "blobs", set()).faults()


def stored_file(server):
    """The only object of the store."""
    (path,) = object_files(server.data)
    return path


@pytest.mark.parametrize("call", ["pwritev2", "fdatasync"])
async def test_a_chunk_that_could_not_be_stored_can_be_sent_again(server, client, call):
    content = blob(300_000)
    location = await client.begin("a")
    assert (await client.patch(location, data=content[:1000])).status == 202
    async with failing(server, call, "EIO", stored_file(server)):
        answer = await client.patch(location, data=content[1000:200_000])
        assert tells_of_failure(answer), answer
        answer = await client.put(f"{location}?digest={digest(content)}", data=content[1000:])
        assert tells_of_failure(answer), answer
    assert (await client.get(location)).headers["Range"] == "0-999"
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 404
    answer = await client.patch(location, data=content[1000:], headers={"Content-Range": "1000-299999"})
    assert answer.status == 202, answer
    assert (await client.put(f"{location}?digest={digest(content)}")).status == 201
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content
    assert faults(server) == []


@pytest.mark.parametrize("call", ["openat", "pwritev2", "fdatasync", "fsync"])
async def test_a_blob_that_could_not_be_stored_is_not_acknowledged(server, client, call):
    content = blob()
    path = f"/v2/a/blobs/uploads/?digest={digest(content)}"
    async with failing(server, call, "EIO"):
        answer = await client.post(path, data=content)
        assert tells_of_failure(answer), answer
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 404
    assert (await client.post(path, data=content)).status == 201
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content
    assert faults(server) == []


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
async def test_a_manifest_whose_row_could_not_be_stored_is_not_acknowledged(server, client, call):
    first, second = Image(), Image()
    for content in (*first.blobs, *second.blobs):
        await client.push_blob("a", content)
    await client.put_manifest("a", "v1", first.manifest)
    async with failing(server, call, "EIO", server.data / "estiva.db-wal"):
        answer = await client.put_manifest("a", "v1", second.manifest)
        assert tells_of_failure(answer), answer
        assert tells_of_failure(await client.delete("/v2/a/manifests/v1"))
        assert (await client.get("/v2/a/manifests/v1")).body == first.manifest
    assert (await client.get("/v2/a/manifests/v1")).body == first.manifest
    assert (await client.put_manifest("a", "v1", second.manifest)).status == 201
    assert (await client.get("/v2/a/manifests/v1")).body == second.manifest
    assert faults(server) == []
    await server.kill9()
    assert Stock(read_abandoned_sqlite(server.data / "estiva.db"), server.data / "blobs", set()).faults() == []
    await server.start()
    async for again in connect(server.base):
        assert (await again.get("/v2/a/manifests/v1")).body == second.manifest


async def test_the_probe_tells_that_the_store_cannot_be_written(server, client):
    assert (await client.get("/readyz")).status == 200
    async with failing(server, "openat", "EROFS"):
        answer = await client.get("/readyz")
        assert tells_of_failure(answer), answer
    assert (await client.get("/readyz")).status == 200


async def test_a_blob_that_cannot_be_read_is_an_error_and_not_a_short_answer(server, client):
    content = blob(300_000)
    await client.push_blob("a", content)
    async with failing(server, "openat", "EIO", stored_file(server)):
        answer = await client.get(f"/v2/a/blobs/{digest(content)}")
        assert tells_of_failure(answer), answer
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content
