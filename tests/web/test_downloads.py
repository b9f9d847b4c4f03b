# SPDX-License-Identifier: Apache-2.0
"""Spec, "Pulling blobs"; RFC 9110, sections 13 and 14."""

import email
import os

import pytest

from harness.content import blob, digest
from harness.objects import object_files
from harness.raw import wire

SIZE = 200_000


@pytest.fixture
async def content(client):
    content = blob(SIZE)
    await client.push_blob("a", content)
    return content


@pytest.fixture
def path(content):
    return f"/v2/a/blobs/{digest(content)}"


async def test_a_blob_comes_whole_with_its_digest(client, content, path):
    answer = await client.get(path)
    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["Docker-Content-Digest"] == digest(content)
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "max-age=31536000" in answer.headers["Cache-Control"]


async def test_head_tells_the_size_without_the_bytes(client, content, path):
    answer = await client.head(path)
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", str(SIZE))
    assert answer.headers["Docker-Content-Digest"] == digest(content)


async def test_nothing_is_ever_compressed(client, content, path):
    """Wire rule 31."""
    answer = await client.get(path, headers={"Accept-Encoding": "zstd;q=1.0, gzip;q=0.8"})
    assert "Content-Encoding" not in answer.headers
    assert answer.body == content


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=500-1499", 500, 1500),
        ("bytes=500-", 500, SIZE),
        ("bytes=-500", SIZE - 500, SIZE),
        (f"bytes={SIZE - 10}-{SIZE + 1000}", SIZE - 10, SIZE),
    ],
)
async def test_a_range_is_206(client, content, path, header, start, stop):
    answer = await client.get(path, headers={"Range": header})
    assert (answer.status, answer.body) == (206, content[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("header", ["bytes=500-0", f"bytes={SIZE}-", "bytes=-0"])
async def test_a_range_outside_the_content_is_416(client, content, path, header):
    answer = await client.get(path, headers={"Range": header})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


@pytest.mark.parametrize("header", ["lines=1-2", "bytes", "bytes=a-b", "bytes=--1"])
async def test_a_range_that_is_not_understood_is_ignored(client, content, path, header):
    """RFC 9110, section 14.2."""
    answer = await client.get(path, headers={"Range": header})
    assert (answer.status, answer.body) == (200, content)


async def test_several_ranges_come_as_multipart(client, content, path):
    """Wire rule 51; RFC 9110, section 14.6."""
    answer = await client.get(path, headers={"Range": "bytes=0-9,1000-1999,-5"})
    assert answer.status == 206
    assert answer.headers["Content-Length"] == str(len(answer.body))
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + answer.body).get_payload()
    assert [part["Content-Range"] for part in parts] == [
        f"bytes 0-9/{SIZE}",
        f"bytes 1000-1999/{SIZE}",
        f"bytes {SIZE - 5}-{SIZE - 1}/{SIZE}",
    ]
    assert [part.get_payload(decode=True) for part in parts] == [content[:10], content[1000:2000], content[-5:]]


async def test_if_range_with_another_etag_gets_the_whole(client, content, path):
    answer = await client.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (answer.status, answer.body) == (200, content)
    answer = await client.get(path, headers={"Range": "bytes=0-9", "If-Range": answer.headers["ETag"]})
    assert answer.status == 206


async def test_if_none_match_spares_the_bytes(client, content, path):
    etag = (await client.head(path)).headers["ETag"]
    answer = await client.get(path, headers={"If-None-Match": etag})
    assert (answer.status, answer.body) == (304, b"")


async def test_lost_bytes_are_an_error_and_never_an_end(client, content, path, registry):
    [stored] = object_files(registry.data)
    os.truncate(stored, SIZE // 2)
    answer = await client.get(path)
    assert (answer.status, answer.code) == (503, "UNKNOWN")
    assert answer.json["errors"][0]["detail"]["requestId"] == answer.headers["X-Request-Id"]
    stored.unlink()
    assert (await client.get(path)).status == 503


async def test_bytes_lost_while_they_are_sent_cut_the_connection(client, registry):
    content = blob(30_000_000)
    await client.push_blob("a", content)
    [stored] = object_files(registry.data)
    async with wire(registry.port) as connection:
        await connection.send(f"GET /v2/a/blobs/{digest(content)} HTTP/1.1\r\nHost: a\r\n\r\n")
        await connection.read(1000)
        os.truncate(stored, 1_000_000)
        assert await connection.closed()
