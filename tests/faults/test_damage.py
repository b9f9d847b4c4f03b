# SPDX-License-Identifier: Apache-2.0
"""Objects that somebody removed or cut behind the server's back: no client takes a part for the whole."""

import asyncio
import shutil

import aiohttp
import pytest

from harness.client import connect
from harness.content import Image, blob, digest
from harness.objects import object_files
from harness.process import serving


@pytest.fixture
async def server(tmp_path):
    async with serving(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def client(server):
    async for connected in connect(server.base):
        yield connected


@pytest.fixture
async def path(server, client, content):
    """The file of a blob that was pushed."""
    await client.push_blob("a", content)
    (found,) = object_files(server.data)
    return found


@pytest.fixture
def content():
    return blob(900_000)


async def test_a_missing_object_is_a_server_error_and_all_else_goes_on(client, path, content):
    path.unlink()
    answer = await client.get(f"/v2/a/blobs/{digest(content)}")
    assert answer.status == 503
    assert answer.code == "UNKNOWN"
    other = Image()
    await client.push_image("b", other, "v1")
    assert (await client.get(f"/v2/b/blobs/{digest(other.config)}")).body == other.config


async def test_a_missing_store_is_a_server_error(server, client, path, content):
    shutil.rmtree(server.data / "blobs")
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 503
    assert (await client.get("/readyz")).status == 503
    other = blob()
    answer = await client.post(f"/v2/a/blobs/uploads/?digest={digest(other)}", data=other)
    assert answer.status in {201, 503}


@pytest.mark.parametrize("kept", [0, 1, 500_000, 899_999])
async def test_an_object_that_was_cut_is_never_taken_for_whole(client, path, content, kept):
    with path.open("r+b") as file:
        file.truncate(kept)
    async with asyncio.timeout(10):
        try:
            answer = await client.get(f"/v2/a/blobs/{digest(content)}")
        except (aiohttp.ClientError, ConnectionError):
            return
    assert answer.status == 503


async def test_a_range_of_an_object_that_was_cut_is_never_taken_for_whole(client, path, content):
    with path.open("r+b") as file:
        file.truncate(1000)
    async with asyncio.timeout(10):
        try:
            answer = await client.get(f"/v2/a/blobs/{digest(content)}", headers={"Range": "bytes=500-1999"})
        except (aiohttp.ClientError, ConnectionError):
            return
    assert answer.status == 503


@pytest.mark.parametrize("damage", ["gone", "cut"])
async def test_pushing_a_blob_again_mends_it(client, path, content, damage):
    """Whoever hears 201 counts on the bytes: the ones just sent, if those that were there are not."""
    with path.open("r+b") as file:
        file.truncate(1000)
    path.unlink() if damage == "gone" else None
    await client.push_blob("a", content)
    answer = await client.get(f"/v2/a/blobs/{digest(content)}")
    assert (answer.status, answer.body) == (200, content)


async def test_an_upload_whose_bytes_are_gone_is_told_to_begin_again(server, client):
    location = await client.begin("a")
    assert (await client.patch(location, data=blob(1000))).status == 202
    (path,) = object_files(server.data)
    path.unlink()
    answer = await client.patch(location, data=blob(1000))
    assert answer.status in {404, 503}
    assert (await client.delete(location)).status == 204


async def test_an_object_that_cannot_be_removed_keeps_no_other_from_being_removed(tmp_path):
    """The room that cancelled uploads take must come back, whatever became of one of them."""
    settings = {"ESTIVA_STORAGE_SWEEP_EVERY": "100ms", "ESTIVA_STORAGE_OBJECT_DELAY": "0s"}
    async with serving(tmp_path / "data", settings) as server:
        async for client in connect(server.base):
            stuck = await upload(client)
            (path,) = files(server)
            path.unlink()
            path.mkdir()
            (path / "in the way").touch()
            assert (await client.delete(stuck)).status == 204
            others = [await upload(client) for _ in range(3)]
            for location in others:
                assert (await client.delete(location)).status == 204
            await only_the_stuck_one_is_left(server)


async def only_the_stuck_one_is_left(server):
    async with asyncio.timeout(20):
        while len(files(server)) > 1:
            await asyncio.sleep(0.02)


async def upload(client):
    location = await client.begin("a")
    assert (await client.patch(location, data=blob(1000))).status == 202
    return location


def files(server):
    return object_files(server.data)
