# SPDX-License-Identifier: Apache-2.0
"""Requests that are cut short, slow, huge or malformed."""

import asyncio
import contextlib
import json
import threading

import pytest

from estiva.config import Settings
from estiva.content import lease
from estiva.db import schema, uploads
from estiva.options.limits import LimitOptions
from estiva.web.server import SURPLUS
from harness.alike import send_apart
from harness.content import OCI_MANIFEST, Image, blob, digest
from harness.objects import object_files, object_sizes
from harness.raw import wire
from harness.server import serve

HEAD = "Host: registry.test\r\n"


async def session_of(registry, location):
    return await registry.db.read(uploads.get, 1, location.rsplit("/", 1)[1])


def sessions(conn):
    return conn.execute(schema.uploads.select()).all()


async def leased(registry, location):
    """Wait until a request is writing to the session."""
    while (await session_of(registry, location)).lease is None:
        await asyncio.sleep(0)


async def free(registry, location):
    """Wait until no request is writing to the session any more."""
    while (session := await session_of(registry, location)) is not None and session.lease is not None:
        await asyncio.sleep(0)


class TestLease:
    """While a body comes, however slowly, nobody else may write to its session."""

    async def test_it_is_renewed_as_long_as_the_body_takes(self, client, registry, monkeypatch):
        monkeypatch.setattr(lease, "RENEW_EVERY", 0.001)
        location = await client.begin("a")
        async with wire(registry.port) as connection:
            await connection.send(f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 2\r\n\r\n", b"a")
            await leased(registry, location)
            registry.clock.advance(40)
            while (await session_of(registry, location)).lease_until <= registry.clock():
                await asyncio.sleep(0)
            assert (await client.patch(location, data=b"x")).status == 416
            await connection.send(b"b")
            assert (await connection.answer()).status == 202
        assert (await session_of(registry, location)).lease is None

    async def test_one_that_was_lost_meanwhile_writes_nothing_down(self, client, registry, monkeypatch):
        location = await client.begin("a")
        async with wire(registry.port) as connection:
            await connection.send(f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 2\r\n\r\n", b"a")
            await leased(registry, location)
            await registry.db.note(uploads.clear_leases)
            await connection.send(b"b")
            assert (await connection.answer()).status == 416
        assert (await session_of(registry, location)).size == 0


class TestTruncation:
    """Invariant 12: a body cut short, chunked or with a length, must not become a blob."""

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    async def test_a_body_shorter_than_its_length_is_no_blob(self, client, registry, method):
        content = blob(1000)
        location = await client.begin("a")
        query = f"?digest={digest(content[:500])}"
        async with wire(registry.port) as connection:
            head = f"{method} {location}{query} HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n\r\n"
            await connection.send(head, content[:500])
            await leased(registry, location)
        await free(registry, location)
        assert (await client.get(f"/v2/a/blobs/{digest(content[:500])}")).status == 404

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    async def test_chunks_without_their_end_are_no_blob(self, client, registry, method):
        content = blob(1000)
        location = await client.begin("a")
        async with wire(registry.port) as connection:
            head = f"{method} {location}?digest={digest(content)} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n"
            await connection.send(head, b"3e8\r\n", content, b"\r\n")
            await leased(registry, location)
        await free(registry, location)
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 404

    async def test_a_single_post_cut_short_leaves_nothing(self, client, registry):
        content = blob(1000)
        async with wire(registry.port) as connection:
            head = f"POST /v2/a/blobs/uploads/?digest={digest(content)} HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n\r\n"
            await connection.send(head, content[:999])
            while not await registry.db.read(sessions):
                await asyncio.sleep(0)
        while await registry.db.read(sessions):
            await asyncio.sleep(0)
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 404
        await registry.sweeper.sweep()
        assert object_files(registry.data) == []

    async def test_a_manifest_cut_short_is_not_stored(self, client, registry):
        image = Image()
        await client.push_image("a", image)
        async with wire(registry.port) as connection:
            head = (
                f"PUT /v2/a/manifests/v1 HTTP/1.1\r\n{HEAD}Content-Type: {OCI_MANIFEST}\r\nContent-Length: 9999\r\n\r\n"
            )
            await connection.send(head, image.manifest)
        assert (await client.get("/v2/a/manifests/v1")).status == 404

    async def test_what_came_before_the_break_is_kept_and_the_client_goes_on(self, client, registry):
        content = blob(4_000_000)
        location = await client.begin("a")
        async with wire(registry.port) as connection:
            head = f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: {len(content)}\r\n\r\n"
            await connection.send(head, content[:3_000_000])
            while sum(object_sizes(registry.data)) < 2_000_000:
                await asyncio.sleep(0)
        await free(registry, location)
        offset = int((await client.get(location)).headers["Range"].removeprefix("0-")) + 1
        assert 2_000_000 <= offset <= 3_000_000
        answer = await client.patch(
            location, data=content[offset:], headers={"Content-Range": f"{offset}-{len(content) - 1}"}
        )
        assert answer.status == 202
        assert (await client.put(f"{location}?digest={digest(content)}")).status == 201
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content

    @pytest.mark.parametrize("size", ["xyz", "-1", "0x10", "ffffffffffffffff", "1" * 100])
    async def test_a_bad_chunk_size_in_the_middle_is_no_end(self, client, registry, size):
        content = blob(1000)
        location = await client.begin("a")
        async with wire(registry.port) as connection:
            head = f"PUT {location}?digest={digest(content)} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n"
            await connection.send(head, b"3e8\r\n", content, f"\r\n{size}\r\n")
            connection.end()
            assert await connection.closed()
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 404


class TestExpectContinue:
    """Wire rule 28."""

    async def test_a_refusal_comes_before_the_body(self, client, registry):
        await client.begin("a")
        async with wire(registry.port) as connection:
            path = "/v2/a/blobs/uploads/00000000-0000-0000-0000-000000000000"
            await connection.send(
                f"PATCH {path} HTTP/1.1\r\n{HEAD}Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
            )
            answer = await connection.answer()
            assert (answer.status, answer.headers["connection"]) == (404, "close")

    async def test_the_body_is_asked_for_when_it_is_wanted(self, client, registry):
        location = await client.begin("a")
        async with wire(registry.port) as connection:
            await connection.send(
                f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            )
            assert (await connection.answer()).status == 100
            await connection.send(b"bytes")
            answer = await connection.answer()
            assert (answer.status, answer.headers["range"]) == (202, "0-4")


class TestMalformed:
    async def test_a_tls_greeting_is_answered_at_once(self, registry):
        """Wire rule 55: dockerd tries TLS first, and waits for whatever comes back."""
        async with wire(registry.port) as connection:
            await connection.send(b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03")
            assert (await connection.answer()).status == 400
            assert await connection.closed()

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"NONSENSE\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            b"GET /v2/ HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nHost: a\r\n folded: header\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
            b"GET /v2/\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        ],
    )
    async def test_what_is_no_proper_request_is_400_in_the_specs_form_and_closes(self, registry, request_bytes):
        async with wire(registry.port) as connection:
            await connection.send(request_bytes)
            answer = await connection.answer()
            assert answer.status == 400
            assert json.loads(answer.body)["errors"][0]["code"] == "UNSUPPORTED"
            assert await connection.closed()

    async def test_a_megabyte_of_header_is_431(self, registry):
        async with wire(registry.port) as connection:
            await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}X-Big: ", b"x" * 1_000_000, "\r\n\r\n")
            assert (await connection.answer()).status == 431
            assert await connection.closed()

    async def test_a_thousand_headers_are_refused(self, registry):
        async with wire(registry.port) as connection:
            await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}", "".join(f"X-{n}: y\r\n" for n in range(1000)), "\r\n")
            assert (await connection.answer()).status in {400, 431}

    @pytest.mark.parametrize(
        ("path", "status", "code"),
        [
            ("/v2/UPPER/manifests/v1", 400, "NAME_INVALID"),
            ("/v2/a/../b/manifests/v1", 400, "NAME_INVALID"),
            ("/v2/a/%2e%2e/b/manifests/v1", 400, "NAME_INVALID"),
            ("/v2/../../etc/manifests/v1", 400, "NAME_INVALID"),
            ("/v2/a/manifests/..", 400, "MANIFEST_INVALID"),
            ("/v2/a/manifests/%00", 400, "MANIFEST_INVALID"),
            ("/v2/a%00/manifests/v1", 400, "NAME_INVALID"),
            ("/v2/a/manifests/" + "t" * 129, 400, "MANIFEST_INVALID"),
            ("/v2/a/manifests/sha256:short", 400, "DIGEST_INVALID"),
            ("/v2/a/blobs/sha256:short", 400, "DIGEST_INVALID"),
            ("/v2/a/blobs/latest", 400, "DIGEST_INVALID"),
            ("/v2/" + "a/" * 200 + "manifests/v1", 400, "NAME_INVALID"),
            ("/v2/a/%ff/manifests/v1", 404, "UNSUPPORTED"),
            ("/v2/a/unknown", 404, "UNSUPPORTED"),
            ("/v2", 200, None),
            ("/v2/", 200, None),
            ("/nothing", 404, "UNSUPPORTED"),
            ("/v2/a/tags/list?n=1&n=%zz", 404, "NAME_UNKNOWN"),
        ],
    )
    async def test_paths_are_judged_as_sent(self, client, path, status, code):
        answer = await client.get(path)
        assert answer.status == status
        assert code is None or answer.code == code

    async def test_a_method_that_does_not_exist_is_405_and_names_those_that_do(self, client):
        await client.begin("a")
        answer = await client.post("/v2/a/manifests/v1")
        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert answer.headers["Allow"] == "GET, HEAD, PUT, DELETE"
        assert (await client.request("OPTIONS", "/v2/")).status == 405

    async def test_too_many_parameters_are_400(self, client):
        answer = await client.get("/v2/_catalog?" + "&".join(f"a{n}=1" for n in range(5000)))
        assert (answer.status, answer.code) == (400, "UNSUPPORTED")


async def test_requests_may_be_pipelined(client, registry):
    image = Image()
    await client.push_image("a", image, "v1")
    async with wire(registry.port) as connection:
        await connection.send(f"GET /v2/a/manifests/v1 HTTP/1.1\r\n{HEAD}\r\n" * 5)
        for _ in range(5):
            assert (await connection.answer()).body == image.manifest


async def test_a_connection_serves_on_after_an_error_with_a_body(client, registry):
    await client.begin("a")
    async with wire(registry.port) as connection:
        await connection.send(f"PUT /v2/a/manifests/v1 HTTP/1.1\r\n{HEAD}Content-Length: 5\r\n\r\nwrong")
        assert (await connection.answer()).status == 400
        await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n")
        assert (await connection.answer()).status == 200


class TestTime:
    @pytest.fixture
    def settings(self):
        return Settings(limits=LimitOptions(head_timeout=0.3, stall_timeout=0.3, keepalive=0.6))

    async def test_a_body_that_stops_coming_is_given_up_and_the_upload_goes_on(self, client, registry):
        content = blob(100)
        location = await client.begin("a")
        async with wire(registry.port) as connection:
            await connection.send(f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 100\r\n\r\n", content[:40])
            assert (await connection.answer()).status == 408
        assert (await client.get(location)).headers["Range"] == "0-39"
        headers = {"Content-Range": "40-99"}
        answer = await client.put(f"{location}?digest={digest(content)}", data=content[40:], headers=headers)
        assert answer.status == 201

    async def test_a_head_that_does_not_come_closes_the_connection(self, registry):
        async with wire(registry.port) as connection:
            assert await connection.closed()

    async def test_a_head_that_stops_coming_is_408(self, client, registry):
        async with wire(registry.port) as connection:
            await connection.send("GET /v2/ HT")
            assert (await connection.answer()).status == 408
            assert await connection.closed()
        assert b'estiva_refused_total{limit="head_time"} 1.0' in (await client.get("/metrics")).body

    async def test_so_is_the_next_head_on_a_connection(self, registry):
        async with wire(registry.port) as connection:
            await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n")
            assert (await connection.answer()).status == 200
            await connection.send("GET /v2/ HT")
            assert (await connection.answer()).status == 408
            assert await connection.closed()

    async def test_an_idle_connection_is_closed(self, registry):
        async with wire(registry.port) as connection:
            await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n")
            assert (await connection.answer()).status == 200
            assert await connection.closed()

    async def test_a_client_that_does_not_read_its_download_is_cut_off(self, client, registry):
        content = blob(30_000_000)
        await client.push_blob("a", content)
        async with wire(registry.port) as connection:
            await connection.send(f"GET /v2/a/blobs/{digest(content)} HTTP/1.1\r\n{HEAD}\r\n")
            async with asyncio.timeout(10):
                while '"status":499' not in registry.log.getvalue():
                    await asyncio.sleep(0.05)


class TestConnections:
    @pytest.fixture
    def settings(self):
        return Settings(limits=LimitOptions(connections=3))

    async def test_one_too_many_is_503_and_the_others_go_on(self, registry):
        get = f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n"
        async with wire(registry.port) as first, wire(registry.port) as second, wire(registry.port) as third:
            for connection in (first, second, third):
                await connection.send(get)
                assert (await connection.answer()).status == 200
            async with wire(registry.port) as surplus:
                await surplus.send(get)
                answer = await surplus.answer()
                assert answer.status == 503
                assert answer.headers["retry-after"] == "1"
                assert await surplus.closed()
            await first.send(get)
            assert (await first.answer()).status == 200
        async with wire(registry.port) as connection:
            await connection.send(f"GET /metrics HTTP/1.1\r\n{HEAD}\r\n")
            answer = await connection.answer()
            assert b'estiva_refused_total{limit="connections"} 1.0' in answer.body

    async def test_far_too_many_are_closed_without_a_word(self, registry):
        async with contextlib.AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(wire(registry.port)) for _ in range(3 + SURPLUS + 5)]
            assert [await connection.closed() for connection in wires[-5:]] == [True] * 5


async def test_a_thousand_slow_connections_hold_no_thread_and_others_go_on(client, registry):
    content = blob(1000)
    location = await client.begin("a")
    head = f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n\r\nx"
    async with contextlib.AsyncExitStack() as stack:
        before = threading.active_count()
        for _ in range(1000):
            connection = await stack.enter_async_context(wire(registry.port))
            await connection.send(head)
        await client.push_blob("b", content)
        assert (await client.get(f"/v2/b/blobs/{digest(content)}")).body == content
        assert threading.active_count() <= before + 4  # the pool of the harness


async def test_probes_and_metrics_answer(client):
    assert (await client.get("/healthz")).json == {"status": "ok"}
    assert (await client.get("/readyz")).json == {"status": "ready"}
    answer = await client.get("/metrics")
    assert b"estiva_" in answer.body
    assert b"/v2/" in (await client.get("/")).body


async def test_each_answer_has_a_request_id_and_a_log_line(client, registry):
    image = Image()
    await client.push_image("team/app", image, "v1")
    answer = await client.get("/v2/team/app/manifests/v1")
    line = next(line for line in registry.log.getvalue().splitlines() if answer.headers["X-Request-Id"] in line)
    for part in ("GET", "team/app", "v1", "200", str(len(image.manifest)), "127.0.0.1"):
        assert part in line


@pytest.mark.parametrize("piece", [1000, 100_000], ids=["in pieces", "at once"])
async def test_a_head_of_many_headers_is_431_however_it_comes(tmp_path, piece):
    head = "GET /v2/ HTTP/1.1\r\n" + HEAD + "".join(f"X-{number}: {'x' * 1000}\r\n" for number in range(20)) + "\r\n"
    limits = LimitOptions(head_total=16 * 1024)
    async with serve(tmp_path / "data", Settings(limits=limits)) as registry, wire(registry.port) as connection:
        with contextlib.suppress(ConnectionError):
            await send_apart(connection, [head[at : at + piece].encode() for at in range(0, len(head), piece)])
        assert (await connection.answer()).status == 431


async def test_an_endless_head_is_431(registry):
    """Each header is within its bound; together they are not."""
    async with wire(registry.port) as connection:
        await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}", "".join(f"X-{n}: {'y' * 8000}\r\n" for n in range(60)))
        assert (await connection.answer()).status == 431
        assert await connection.closed()


async def test_a_long_body_is_no_head(client, registry):
    content = blob(2_000_000)
    location = await client.begin("a")
    async with wire(registry.port) as connection:
        await connection.send(f"PATCH {location} HTTP/1.1\r\n{HEAD}Content-Length: 2000000\r\n\r\n", content)
        assert (await connection.answer()).status == 202
        await connection.send(f"GET /v2/ HTTP/1.1\r\n{HEAD}\r\n")
        assert (await connection.answer()).status == 200
