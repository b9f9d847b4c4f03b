# SPDX-License-Identifier: Apache-2.0
"""Uploads on the wire, whole ones: what is stored, and what the connection is good for afterwards."""

import asyncio
import io
from contextlib import AsyncExitStack

import pytest
from aiohttp.streams import StreamReader

from harness.content import blob, digest
from harness.raw import wire
from harness.sending import END, PING, chunked, counted, head, in_chunks

LARGE = 5_000_000
SHAPES = [counted, chunked]


async def stored(client, content):
    answer = await client.get(f"/v2/a/blobs/{digest(content)}")
    return answer.status == 200 and answer.body == content


async def sends(connection, data, size):
    """Send in pieces, giving the server a chance to take each by itself."""
    for start in range(0, len(data), size):
        await connection.send(data[start : start + size])
        await asyncio.sleep(0)


@pytest.fixture
def through_aiohttp(monkeypatch):
    """How many bytes of bodies have gone through aiohttp."""
    sizes, real = [], StreamReader.feed_data

    def feed_data(self, data, size=0):
        sizes.append(len(data))
        return real(self, data, size)

    monkeypatch.setattr(StreamReader, "feed_data", feed_data)
    return lambda: sum(sizes)


@pytest.mark.parametrize("shape", SHAPES)
async def test_only_a_direct_upload_goes_past_aiohttp(client, connection, direct, through_aiohttp, shape):
    content = blob(LARGE)
    path = f"{await client.begin('a')}?digest={digest(content)}"
    before = through_aiohttp()
    await connection.send(shape("PUT", path, content))
    assert (await connection.answer()).status == 201
    assert (through_aiohttp() - before == 0) == direct
    assert await stored(client, content)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 1000, 65_535, 65_536, 65_537, 2_097_152, 2_162_688, LARGE])
async def test_every_size_is_stored_and_the_connection_goes_on(client, connection, shape, size):
    content = blob(size)
    location = await client.begin("a")
    await connection.send(shape("PATCH", location, content))
    answer = await connection.answer()
    assert (answer.status, answer.headers["range"]) == (202, f"0-{size - 1}")
    await connection.send(shape("PUT", f"{location}?digest={digest(content)}", b""))
    assert (await connection.answer()).status == 201
    await connection.send(PING)
    assert (await connection.answer()).status == 200
    assert await stored(client, content)


@pytest.mark.parametrize("sizes", [(1,), (1, 5, 4096), (4095,), (16, 100_000), (LARGE,), (32_768, 1)])
async def test_chunks_may_have_any_size(client, connection, sizes):
    content = blob(300_000)
    location = await client.begin("a")
    await connection.send(chunked("PUT", f"{location}?digest={digest(content)}", content, sizes=sizes))
    assert (await connection.answer()).status == 201
    assert await stored(client, content)


async def test_large_chunks_may_be_followed_by_tiny_ones(client, connection):
    content = blob(LARGE)
    location = await client.begin("a")
    start = head("PUT", f"{location}?digest={digest(content)}", "Transfer-Encoding: chunked")
    body = in_chunks(content[: LARGE - 400_000], (32_768,)) + in_chunks(content[LARGE - 400_000 :], (1, 2, 3))
    await connection.send(start, body, END)
    assert (await connection.answer()).status == 201
    assert await stored(client, content)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("piece", [1, 7, 100])
async def test_a_head_may_come_in_pieces(client, connection, shape, piece):
    content = blob(2000)
    location = await client.begin("a")
    await sends(connection, shape("PUT", f"{location}?digest={digest(content)}", content), piece)
    assert (await connection.answer()).status == 201
    await connection.send(PING)
    assert (await connection.answer()).status == 200


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cut", [300, 1000, 100_000])
async def test_a_head_may_bring_a_part_of_its_body(client, connection, shape, cut):
    content = blob(200_000)
    location = await client.begin("a")
    request = shape("PUT", f"{location}?digest={digest(content)}", content)
    await connection.send(request[:cut])
    await asyncio.sleep(0)
    await connection.send(request[cut:])
    assert (await connection.answer()).status == 201
    assert await stored(client, content)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1000, LARGE])
async def test_the_next_requests_may_stand_behind_the_body(client, connection, shape, size):
    first, second = blob(size), blob(size)
    paths = [f"{await client.begin('a')}?digest={digest(content)}" for content in (first, second)]
    requests = [shape("PUT", paths[0], first), PING, shape("PUT", paths[1], second), PING]
    sending = asyncio.create_task(connection.send(b"".join(requests)))
    assert [(await connection.answer()).status for _ in requests] == [201, 200, 201, 200]
    await sending
    assert await stored(client, first)
    assert await stored(client, second)


@pytest.mark.parametrize("body", [counted("PATCH", "/path", b""), chunked("PATCH", "/path", b"")])
async def test_an_empty_body_adds_nothing(client, connection, body):
    location = await client.begin("a")
    await connection.send(body.replace(b"/path", location.encode()))
    answer = await connection.answer()
    assert (answer.status, answer.headers["range"]) == (202, "0-0")
    await connection.send(PING)
    assert (await connection.answer()).status == 200


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_body_is_asked_for_when_it_is_wanted(client, connection, shape):
    content = blob(LARGE)
    location = await client.begin("a")
    request = shape("PUT", f"{location}?digest={digest(content)}", content, "Expect: 100-continue")
    start, _, body = request.partition(b"\r\n\r\n")
    await connection.send(start, b"\r\n\r\n")
    assert (await connection.answer()).status == 100
    await connection.send(body)
    assert (await connection.answer()).status == 201
    await connection.send(PING)
    assert (await connection.answer()).status == 200


@pytest.mark.parametrize("last", [b"0;a=b\r\n\r\n", b"0\r\nChecksum: none\r\n\r\n", b"000\r\n\r\n"])
async def test_what_stands_at_the_end_of_chunks_is_read_over(client, connection, last):
    content = blob(100_000)
    path = f"{await client.begin('a')}?digest={digest(content)}"
    body = in_chunks(content, (30_000,))
    await connection.send(head("PUT", path, "Transfer-Encoding: chunked"), body, last, PING)
    assert (await connection.answer()).status == 201
    assert (await connection.answer()).status == 200
    assert await stored(client, content)


class TestBounds:
    @pytest.fixture
    def limits(self):
        return {"upload_buffers": 2 * 1024 * 1024, "uploads": 8}

    async def test_uploads_share_one_buffer_in_turn(self, client):
        contents = [blob(LARGE + number) for number in range(8)]
        locations = [await client.begin("a") for _ in contents]
        pushes = [
            client.put(f"{location}?digest={digest(content)}", data=io.BytesIO(content))
            for location, content in zip(locations, contents, strict=True)
        ]
        assert [answer.status for answer in await asyncio.gather(*pushes)] == [201] * 8
        metrics = (await client.get("/metrics")).body.decode()
        assert "estiva_upload_buffer_bytes 0.0" in metrics

    async def test_one_upload_too_many_is_told_to_come_again(self, client, registry):
        locations = [await client.begin("a") for _ in range(9)]
        async with AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(wire(registry.port)) for _ in range(8)]
            for connection, location in zip(slow, locations, strict=False):
                await connection.send(head("PATCH", location, "Content-Length: 1000", "Expect: 100-continue"))
                assert (await connection.answer()).status == 100
            refused = await client.patch(locations[8], data=b"bytes")
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
            assert 'estiva_refused_total{limit="uploads"} 1.0' in (await client.get("/metrics")).body.decode()
            await slow[0].send(bytes(1000))
            assert (await slow[0].answer()).status == 202
            assert (await client.patch(locations[8], data=b"bytes")).status == 202
