# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up: uploads are refused clearly, everything else goes on, and nothing is lost."""

import asyncio
import contextlib
import io
import os

import pytest

from harness.audit import Stock, read_served_sqlite
from harness.client import connect
from harness.content import Image, blob, digest
from harness.objects import object_sizes
from harness.process import serving
from harness.raw import wire

MIB = 1024 * 1024
DISK = "24m"
SETTINGS = {
    "ESTIVA_STORAGE_MIN_FREE": "4MiB",
    "ESTIVA_STORAGE_SWEEP_EVERY": "100ms",
    "ESTIVA_STORAGE_OBJECT_DELAY": "0s",
}


@pytest.fixture
async def server(small_disk, tmp_path):
    """A server on a disk of 24 MiB, 8 of which somebody else has filled."""
    disk = small_disk(DISK)
    (disk / "filler").write_bytes(bytes(8 * MIB))
    async with serving(disk / "data", SETTINGS, logs=tmp_path / "logs") as running:
        yield running


@pytest.fixture
async def client(server):
    async for connected in connect(server.base):
        yield connected


def free_some_room(server):
    (server.data.parent / "filler").unlink()


def refused(answer):
    """Whether an answer is the one that tells of a full disk, in the spec's form."""
    (error,) = answer.json["errors"]
    return (
        answer.status == 507
        and error["code"] == "UNKNOWN"
        and answer.headers["X-Request-Id"] in error["message"]
        and "full" in error["message"]
    )


def faults(server):
    return Stock(read_served_sqlite(server.data / "estiva.db"), server.data / "blobs", set()).faults()


async def kept(client, location):
    """How many bytes of the upload are on the disk."""
    return int((await client.get(location)).headers["Range"].removeprefix("0-")) + 1


async def fill(client):
    """Upload until nothing fits any more, and return the address of the upload with the offset where it stands."""
    location = await client.begin("filling")
    answer = await client.patch(location, data=io.BytesIO(bytes(24 * MIB)))
    assert refused(answer), answer
    return location


async def test_an_upload_that_does_not_fit_is_refused_and_its_blob_does_not_show(server, client):
    content = blob(24 * MIB)
    location = await client.begin("a")
    for method, path in (
        ("PATCH", location),
        ("PUT", f"{location}?digest={digest(content)}"),
        ("POST", f"/v2/a/blobs/uploads/?digest={digest(content)}"),
    ):
        answer = await client.request(method, path, data=io.BytesIO(content))
        assert refused(answer), answer
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 404
    assert (await client.get("/healthz")).status == 200
    assert faults(server) == []


async def test_pulling_goes_on_while_the_disk_is_full(client):
    image = Image(layers=[blob(MIB)])
    await client.push_image("a", image, "v1")
    await fill(client)
    assert (await client.get("/v2/a/manifests/v1")).body == image.manifest
    assert (await client.get(f"/v2/a/blobs/{digest(image.layers[0])}")).body == image.layers[0]
    assert (await client.get("/v2/a/tags/list")).json["tags"] == ["v1"]


async def test_a_manifest_is_refused_while_the_disk_is_full(server, client):
    image = Image()
    await client.push_image("a", image)
    (server.data.parent / "more").write_bytes(bytes(room(server) - 3 * MIB))
    answer = await client.put_manifest("a", "v2", image.manifest)
    assert refused(answer), answer
    assert (await client.get("/v2/a/manifests/v2")).status == 404


async def test_deleting_works_while_the_disk_is_full_and_makes_room(server, client):
    images = [Image() for _ in range(50)]
    for number, image in enumerate(images):
        await client.push_image("a", image, f"v{number}")
    location = await fill(client)
    for number, image in enumerate(images):
        assert (await client.delete(f"/v2/a/manifests/v{number}")).status == 202
        assert (await client.delete(f"/v2/a/manifests/{image.digest}")).status == 202
        assert (await client.delete(f"/v2/a/blobs/{digest(image.config)}")).status == 202
    assert (await client.delete(location)).status == 204
    await room_is_back(server)
    assert (await client.push_image("a", images[0], "back")) == images[0].digest
    assert faults(server) == []


def room(server):
    """How many bytes are free on the server's disk."""
    found = os.statvfs(server.data)
    return found.f_bavail * found.f_frsize


async def room_is_back(server):
    """Wait until the sweeper has removed the bytes of the cancelled upload."""
    async with asyncio.timeout(20):
        while any(size > MIB for size in object_sizes(server.data)):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("with_range", [True, False])
async def test_the_upload_goes_on_from_where_it_stands_once_there_is_room(server, client, with_range):
    content = blob(12 * MIB)
    location = await client.begin("a")
    answer = await client.patch(location, data=io.BytesIO(content))
    assert refused(answer), answer
    offset = await kept(client, location)
    assert 4 * MIB < offset < 12 * MIB
    assert refused(await client.patch(location, data=io.BytesIO(content[offset : offset + 3 * MIB])))
    offset = await kept(client, location)
    free_some_room(server)
    headers = {"Content-Range": f"{offset}-{len(content) - 1}"} if with_range else {}
    answer = await client.patch(location, data=io.BytesIO(content[offset:]), headers=headers)
    assert answer.status == 202, answer
    assert (await client.put(f"{location}?digest={digest(content)}")).status == 201
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content
    assert faults(server) == []


async def test_the_refusal_reaches_a_client_that_is_still_sending(server, client):
    """Wire rule 62: an early refusal must be readable before the connection is reset."""
    location = await client.begin("a")
    async with wire(server.port) as connection:
        await connection.send(f"PATCH {location} HTTP/1.1\r\nHost: a\r\nContent-Length: {100 * MIB}\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await connection.send(bytes(MIB))
        assert (await connection.answer()).status == 507


class TestWithoutReserve:
    """With `storage.min_free = 0` the disk fills to the last block, the database's included."""

    @pytest.fixture
    async def server(self, small_disk, tmp_path):
        disk = small_disk(DISK)
        (disk / "filler").write_bytes(bytes(8 * MIB))
        settings = SETTINGS | {"ESTIVA_STORAGE_MIN_FREE": "0"}
        async with serving(disk / "data", settings, logs=tmp_path / "logs") as running:
            yield running

    async def test_the_server_refuses_clearly_and_goes_on(self, server, client):
        image = Image()
        await client.push_image("a", image, "v1")
        self.fill_to_the_last_block(server.data.parent / "more")
        content = blob(MIB)
        assert refused(await client.post(f"/v2/a/blobs/uploads/?digest={digest(content)}", data=io.BytesIO(content)))
        answers = [await client.post("/v2/b/blobs/uploads/") for _ in range(300)]
        assert all(answer.status == 202 or refused(answer) for answer in answers)
        assert refused(answers[-1])
        assert (await client.get("/v2/a/manifests/v1")).body == image.manifest
        (server.data.parent / "more").unlink()
        await client.push_image("a", Image(), "v2")
        assert faults(server) == []

    def fill_to_the_last_block(self, path):
        with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
