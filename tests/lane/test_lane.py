# SPDX-License-Identifier: Apache-2.0
"""The lane: what it takes, what it leaves to aiohttp, and how it behaves on a connection.

`Server.requests_count` counts what aiohttp has parsed, and so not what the lane has answered.
"""

import asyncio
import json
import time

import pytest

from estiva.config import Settings
from estiva.options.limits import LimitOptions
from estiva.web.lane import BLOCKS, LINES
from harness.alike import HEAD
from harness.client import connect
from harness.content import Image, blob, digest
from harness.postgres import postgres_server
from harness.raw import wire
from harness.server import serve


def ask(path, method="GET", head=HEAD):
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n"


@pytest.fixture
async def image(client):
    pushed = Image(layers=[blob(60_000)])
    await client.push_image("team/app", pushed, "v1")
    return pushed


@pytest.fixture
def tag():
    return "/v2/team/app/manifests/v1"


async def answered(registry, request, method="GET"):
    """Send one request on a connection of its own; return the answer, and whether the lane gave it."""
    before = registry.server.requests_count
    async with wire(registry.port) as connection:
        await connection.send(request)
        answer = await connection.answer(method)
    return answer, registry.server.requests_count == before


async def flood(connection, request, limit):
    """Send the request again and again, and read nothing. Raises TimeoutError."""
    async with asyncio.timeout(limit):
        while True:
            await connection.send(request)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_pull_takes_the_lane(registry, image, method):
    layer, manifest = digest(image.layers[0]), image.digest
    for path, size in {
        "/v2/team/app/manifests/v1": len(image.manifest),
        f"/v2/team/app/manifests/{manifest}": len(image.manifest),
        f"/v2/team/app/blobs/{layer}": len(image.layers[0]),
        f"/v2/team/app/blobs/{manifest}": len(image.manifest),
    }.items():
        answer, by_lane = await answered(registry, ask(path, method), method)
        assert by_lane, path
        assert (answer.status, answer.headers["content-length"]) == (200, str(size))
        assert len(answer.body) == {"GET": size, "HEAD": 0}[method]


@pytest.mark.parametrize(
    "field",
    [
        "Range: bytes=0-1",
        "If-None-Match: x",
        "If-Range: x",
        "Connection: close",
        "Connection: upgrade",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "Content-Length: 0",
        "Content-Type: a/b",
        "Transfer-Encoding: chunked",
        "TE: trailers",
        "Accept: text/html",  # a second one
        "X-Ä: y",
        "X: ä",
    ],
)
async def test_what_asks_for_more_than_the_plain_answer_does_not(registry, image, tag, field):
    before = registry.server.requests_count
    async with wire(registry.port) as connection:
        await connection.send(f"GET {tag} HTTP/1.1\r\n{HEAD}{field}\r\n\r\n".encode())
        await connection.read(1)
    assert registry.server.requests_count == before + 1


@pytest.mark.parametrize(
    "line",
    [
        "GET /v2/team/app/manifests/v1 HTTP/1.0",
        "GET /v2/team/app/manifests/v1?x=1 HTTP/1.1",
        "GET /v2/team%2Fapp/manifests/v1 HTTP/1.1",
        "GET http://registry.test/v2/team/app/manifests/v1 HTTP/1.1",
        "GET /v2/TEAM/manifests/v1 HTTP/1.1",
        "GET /v2/team/app/manifests/sha256:short HTTP/1.1",
        "GET /v2/team/app/blobs/uploads HTTP/1.1",
        "GET /v2/team/app/tags/list HTTP/1.1",
        "DELETE /v2/team/app/manifests/v1 HTTP/1.1",
    ],
)
async def test_every_other_request_line_does_not(registry, image, line):
    _, by_lane = await answered(registry, f"{line}\r\n{HEAD}\r\n")
    assert not by_lane


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/team/app/manifests/absent", "MANIFEST_UNKNOWN"),
        (f"/v2/team/app/blobs/{digest(b'absent')}", "BLOB_UNKNOWN"),
        ("/v2/absent/manifests/v1", "NAME_UNKNOWN"),
    ],
)
async def test_what_is_not_there_is_told_by_the_lane(registry, image, path, code, method):
    answer, by_lane = await answered(registry, ask(path, method), method)
    assert by_lane
    assert answer.status == 404
    assert json.loads(answer.body or "{}").get("errors", [{"code": code}])[0]["code"] == code


async def test_a_connection_may_be_told_to_stay_what_it_is(registry, image, tag):
    _, by_lane = await answered(registry, ask(tag, head=f"{HEAD}Connection: Keep-Alive\r\n"))
    assert by_lane


async def test_a_pull_that_must_postpone_a_review_does_not(registry, client):
    """Invariant 4: who hears that it is there counts on it, so a row is written first."""
    pushed = Image()
    await client.push_image("a", pushed)
    assert (await answered(registry, ask(f"/v2/a/manifests/{pushed.digest}", "HEAD"), "HEAD"))[1]
    registry.clock.advance(13 * 3600)
    assert not (await answered(registry, ask(f"/v2/a/manifests/{pushed.digest}", "HEAD"), "HEAD"))[1]
    assert (await answered(registry, ask(f"/v2/a/manifests/{pushed.digest}", "HEAD"), "HEAD"))[1]


async def test_what_was_remembered_of_a_head_says_nothing_of_what_is_there(registry, client, image, tag):
    """Invariant 7."""
    async with wire(registry.port) as connection:
        await connection.send(ask(tag))
        assert (await connection.answer()).status == 200
        await client.delete(tag)
        await connection.send(ask(tag))
        assert (await connection.answer()).status == 404
        await client.put_manifest("team/app", "v1", image.manifest)
        await connection.send(ask(tag))
        assert (await connection.answer()).status == 200


async def test_bytes_that_are_lost_are_an_error_and_not_an_empty_answer(registry, client, image):
    path = f"/v2/team/app/blobs/{digest(image.layers[0])}"
    (file,) = (found for found in registry.data.glob("blobs/*/*") if found.stat().st_size == len(image.layers[0]))
    file.unlink()
    assert (await answered(registry, ask(path)))[0].status == 503
    assert (await answered(registry, ask(path, "HEAD"), "HEAD"))[0].status == 404


async def test_one_connection_may_change_between_lane_and_aiohttp(registry, image, tag):
    before = registry.server.requests_count
    async with wire(registry.port) as connection:
        for request, ours in [
            (ask(tag), False),
            (ask("/v2/"), True),
            (ask(tag), False),
            (ask("/v2/absent/manifests/v1"), False),
            (f"PUT {tag} HTTP/1.1\r\n{HEAD}Content-Length: 5\r\n\r\nwrong", True),
            (ask(tag), False),
        ]:
            await connection.send(request)
            await connection.answer()
            before += ours
            assert registry.server.requests_count == before


async def test_a_body_may_come_later_than_its_head(registry, image, tag):
    async with wire(registry.port) as connection:
        await connection.send(f"PUT {tag} HTTP/1.1\r\n{HEAD}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert (await connection.answer()).status == 100
        await connection.send(b"wro")
        await connection.send(b"ng")
        assert (await connection.answer()).status == 400
        before = registry.server.requests_count
        await connection.send(ask(tag))
        assert (await connection.answer()).status == 200
        assert registry.server.requests_count == before


async def test_the_rest_of_a_head_is_no_request(registry, image, tag):
    """However much it looks like one."""
    async with wire(registry.port) as connection:
        await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\nGET /v2/ HTTP/1.1\r\nX: ")
        assert (await connection.answer()).status == 200
        await connection.send(ask(tag))
        assert (await connection.answer()).body == b"{}"


async def test_a_request_behind_a_body_that_is_not_there_yet_is_no_request(registry, image, tag):
    async with wire(registry.port) as connection:
        await connection.send(f"PUT {tag} HTTP/1.1\r\n{HEAD}Content-Length: {len(ask(tag))}\r\n\r\n")
        await connection.send(ask(tag))
        answer = await connection.answer()
        assert (answer.status, json.loads(answer.body)["errors"][0]["code"]) == (400, "MANIFEST_INVALID")


async def test_a_head_in_pieces_is_answered_too(registry, image, tag):
    async with wire(registry.port) as connection:
        await connection.send(ask(tag)[:30])
        await asyncio.sleep(0)
        await connection.send(ask(tag)[30:])
        assert (await connection.answer()).body == image.manifest


async def test_pipelined_requests_are_answered_in_order(registry, image, tag):
    async with wire(registry.port) as connection:
        await connection.send(ask(tag) + ask("/v2/") + ask(tag))
        assert (await connection.answer()).body == image.manifest
        assert (await connection.answer()).body == b"{}"
        assert (await connection.answer()).body == image.manifest
        before = registry.server.requests_count
        await connection.send(ask(tag))
        assert (await connection.answer()).body == image.manifest
        assert registry.server.requests_count == before


async def test_what_is_remembered_is_bounded(registry, image, tag):
    lane = registry.server._lane
    async with wire(registry.port) as connection:
        for number in range(BLOCKS + 50):
            await connection.send(ask(tag, head=f"Host: registry.test\r\nAuthorization: Bearer {number}\r\n"))
            assert (await connection.answer()).status == 200
    assert 0 < len(lane._blocks) <= BLOCKS
    async with wire(registry.port) as connection:
        for number in range(LINES + 50):
            await connection.send(ask(f"/v2/team/app/manifests/tag-{number}"))
            assert (await connection.answer()).status == 404
    assert 0 < len(lane._targets) <= LINES


async def test_a_long_head_is_not_remembered(registry, image, tag):
    async with wire(registry.port) as connection:
        await connection.send(ask(tag, head=f"{HEAD}X-Long: {'x' * 9000}\r\n"))
        assert (await connection.answer()).status == 200
        await connection.send(ask(f"/v2/{'a' * 2000}/manifests/v1"))
        assert (await connection.answer()).status == 400
    assert len(registry.server._lane._blocks) == 0
    assert len(registry.server._lane._targets) == 0


async def test_a_client_that_never_reads_fills_no_memory(registry, client, image):
    """What the lane has written and nobody has taken is one answer at most; then requests wait to be read."""
    request = ask(f"/v2/team/app/blobs/{digest(image.layers[0])}").encode()
    async with wire(registry.port) as connection:
        (protocol,) = [known for known in registry.server.connections if known.transport.get_extra_info("peername")]
        with pytest.raises(TimeoutError):
            await flood(connection, request, 2)
        assert protocol.transport.get_write_buffer_size() < 3 * len(image.layers[0])


@pytest.mark.postgresql
async def test_a_database_that_takes_a_journey_has_no_lane(tmp_path):
    with postgres_server(tmp_path) as server:
        async with serve(tmp_path / "data", database=server.new_database()) as registry:
            async for client in connect(registry.base):
                await client.push_image("team/app", Image(), "v1")
            answer, by_lane = await answered(registry, ask("/v2/team/app/manifests/v1"))
            assert (answer.status, by_lane) == (200, False)


class TestTime:
    @pytest.fixture
    async def registry(self, tmp_path):
        limits = LimitOptions(head_timeout=0.5, keepalive=0.5, stall_timeout=0.5)
        async with serve(tmp_path / "short", Settings(limits=limits)) as running:
            yield running

    async def test_answers_keep_a_connection_alive(self, registry, image, tag):
        async with wire(registry.port) as connection:
            begun = time.monotonic()
            while time.monotonic() - begun < 1.5:
                await connection.send(ask(tag))
                assert (await connection.answer()).status == 200
                await asyncio.sleep(0.1)

    async def test_an_idle_connection_is_closed(self, registry, image, tag):
        async with wire(registry.port) as connection:
            await connection.send(ask(tag))
            assert (await connection.answer()).status == 200
            assert await connection.closed()

    async def test_a_client_that_takes_nothing_is_cut_off(self, registry, client, image):
        """Also when there is just one answer that it does not take."""
        request = ask(f"/v2/team/app/blobs/{digest(image.layers[0])}").encode()
        async with wire(registry.port) as connection:
            with pytest.raises((TimeoutError, ConnectionError)):
                await flood(connection, request, 5)
            async with asyncio.timeout(5):
                while len(registry.server.connections) > 1:  # the client that pushed has one
                    await asyncio.sleep(0.05)


async def test_a_server_that_stops_says_so_with_its_last_answer(registry, image, tag):
    async with wire(registry.port) as connection:
        await connection.send(ask(tag))
        assert (await connection.answer()).status == 200
        registry.server._entry.stopping.set()
        await connection.send(ask(tag))
        assert (await connection.answer()).headers["connection"] == "close"
        assert await connection.closed()
