# SPDX-License-Identifier: Apache-2.0
"""Uploads that break off, stand still, are malformed or unwanted: the same end, whichever way they took."""

import asyncio
import json

import pytest

from estiva.config import Settings
from estiva.db import uploads
from estiva.options.limits import LimitOptions
from estiva.options.storage import StorageOptions
from harness.content import blob, digest
from harness.objects import object_sizes
from harness.sending import END, PING, chunked, counted, head, in_chunks

LARGE = 5_000_000
SHAPES = [counted, chunked]
UNKNOWN = "/v2/a/blobs/uploads/00000000-0000-0000-0000-000000000000"


def code(answer):
    return json.loads(answer.body)["errors"][0]["code"]


async def free(registry, location):
    """Wait until no request is writing to the session, and return how many bytes it holds."""
    while True:
        session = await registry.db.read(uploads.get, 1, location.rsplit("/", 1)[1])
        if session.lease is None:
            return session.size
        await asyncio.sleep(0)


async def arrived(registry, size):
    """Wait until so many bytes are on the disk."""
    while sum(object_sizes(registry.data)) < size:
        await asyncio.sleep(0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [100_000, LARGE])
class TestCutShort:
    async def test_the_end_of_what_comes_is_no_end_of_the_body(self, client, registry, connection, shape, size):
        content = blob(size)
        location = await client.begin("a")
        await connection.send(shape("PUT", f"{location}?digest={digest(content)}", content)[:-500])
        connection.end()
        assert await connection.closed()
        kept = await free(registry, location)
        assert 0 <= kept < size
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 404

    async def test_what_came_before_a_reset_is_kept(self, client, registry, connection, shape, size):
        content = blob(size)
        location = await client.begin("a")
        await connection.send(shape("PUT", f"{location}?digest={digest(content)}", content)[:-500])
        await arrived(registry, size * 0.8)
        connection.abort()
        kept = await free(registry, location)
        answer = await client.put(
            f"{location}?digest={digest(content)}",
            data=content[kept:],
            headers={"Content-Range": f"{kept}-{size - 1}"},
        )
        assert answer.status == 201
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content


class TestMalformed:
    @pytest.mark.parametrize("before", [100_000, LARGE])
    @pytest.mark.parametrize(
        "bad",
        [
            b"xyz\r\n",
            b"-1\r\n",
            b"0x10\r\nx",
            b"ffffffffffffffff\r\nx",
            b"1" * 100,
            b"5\r\nmore than five",
            b"\r\n5\r\n",
        ],
    )
    async def test_a_bad_chunk_ends_the_upload_and_the_connection(self, client, registry, connection, bad, before):
        content = blob(before)
        location = await client.begin("a")
        path = f"{location}?digest={digest(content)}"
        await connection.send(head("PUT", path, "Transfer-Encoding: chunked"), in_chunks(content, (32_768,)))
        await arrived(registry, before * 0.5)
        await connection.send(bad, END)
        connection.end()
        assert await connection.closed()
        assert await free(registry, location) <= before + len(bad)
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 404

    async def test_it_is_answered_at_once(self, client, connection):
        location = await client.begin("a")
        await connection.send(head("PATCH", location, "Transfer-Encoding: chunked"), b"5\r\nhello", b"more\r\n")
        answer = await connection.answer()
        assert (answer.status, code(answer), answer.headers["connection"]) == (400, "SIZE_INVALID", "close")
        assert await connection.closed()

    @pytest.mark.parametrize("shape", SHAPES)
    async def test_nonsense_behind_a_body_is_a_bad_request_of_its_own(self, client, connection, shape):
        content = blob(100_000)
        location = await client.begin("a")
        await connection.send(shape("PUT", f"{location}?digest={digest(content)}", content), b"nonsense\r\n\r\n")
        assert (await connection.answer()).status == 201
        assert (await connection.answer()).status == 400
        assert await connection.closed()
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content

    async def test_more_than_the_range_announces_is_refused(self, client, connection):
        location = await client.begin("a")
        await connection.send(chunked("PATCH", location, blob(100_000), "Content-Range: 0-4"))
        answer = await connection.answer()
        assert (answer.status, code(answer)) == (400, "SIZE_INVALID")
        await connection.send(PING)
        assert (await connection.answer()).status == 200


class TestStandingStill:
    @pytest.fixture
    def limits(self):
        return {"stall_timeout": 0.3}

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("sent", [0, 1000, 3_000_000])
    async def test_a_body_that_stands_still_is_given_up_and_can_be_resumed(
        self, client, registry, connection, shape, sent
    ):
        content = blob(LARGE)
        location = await client.begin("a")
        start, _, body = shape("PATCH", location, content).partition(b"\r\n\r\n")
        await connection.send(start, b"\r\n\r\n", body[:sent])
        answer = await connection.answer()
        assert (answer.status, code(answer)) == (408, "BLOB_UPLOAD_INVALID")
        assert sent * 0.9 <= await free(registry, location) <= sent

    async def test_a_body_that_comes_slowly_is_not(self, client, connection):
        location = await client.begin("a")
        await connection.send(head("PATCH", location, "Content-Length: 8"))
        for _ in range(8):
            await asyncio.sleep(0.1)
            await connection.send(b"x")
        assert (await connection.answer()).status == 202


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1000, 100_000, LARGE])
class TestUnwanted:
    async def test_a_refusal_comes_first_and_the_connection_outlives_it(self, client, connection, shape, size):
        await client.begin("a")
        sending = asyncio.create_task(connection.send(shape("PATCH", UNKNOWN, blob(size)), PING))
        answer = await connection.answer()
        assert (answer.status, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")
        await sending
        assert (await connection.answer()).status == 200

    async def test_a_refusal_saves_the_body_if_the_client_waits_for_a_word(self, client, connection, shape, size):
        await client.begin("a")
        start, _, _ = shape("PATCH", UNKNOWN, blob(size), "Expect: 100-continue").partition(b"\r\n\r\n")
        await connection.send(start, b"\r\n\r\n")
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (404, "close")

    async def test_an_unwanted_body_may_break_off(self, client, registry, connection, shape, size):
        await client.begin("a")
        await connection.send(shape("PATCH", UNKNOWN, blob(size))[:-500])
        assert (await connection.answer()).status == 404
        connection.abort()
        assert (await client.get("/v2/")).status == 200


class TestNoRoom:
    @pytest.fixture
    def settings(self, direct):
        storage = StorageOptions(min_free=2**60)
        return Settings(limits=LimitOptions(direct_uploads=direct), storage=storage)

    @pytest.mark.parametrize("shape", SHAPES)
    async def test_a_full_disk_in_the_middle_is_told_and_the_connection_outlives_it(self, client, connection, shape):
        location = await client.begin("a")
        sending = asyncio.create_task(connection.send(shape("PATCH", location, blob(3 * LARGE)), PING))
        answer = await connection.answer()
        assert answer.status == 507
        await sending
        assert (await connection.answer()).status == 200
        assert (await client.get(location)).headers["Range"] == "0-0"
