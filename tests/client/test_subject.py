# SPDX-License-Identifier: Apache-2.0
"""What is read in a run is found with few bytes, whatever the registry sends."""

import asyncio

import msgspec
import pytest

from estiva.client.address import Address
from estiva.client.registry import Refused, Registry
from estiva.client.subject import look_at
from estiva.client.wire import KEPT
from estiva.errors import RegistryUnusable

from .fake import answering, reply

LAYER = {"digest": f"sha256:{64 * 'a'}", "size": 1 << 40}


async def test_of_a_layer_from_a_registry_that_ignores_ranges_no_more_is_read_than_is_kept():
    def answer(method, path, headers):
        if "/blobs/" in path:  # it never sends the rest of it
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LAYER["size"] + KEPT * b"x"
        return reply(200, msgspec.json.encode({"layers": [LAYER]}))

    async with answering(answer) as port, Registry(Address.parse(f"http://127.0.0.1:{port}"), "a/b") as client:
        async with asyncio.timeout(20):
            subject = await look_at(client, "v1")

    assert (subject.blob, subject.blob_size) == (f"/v2/a/b/blobs/{LAYER['digest']}", LAYER["size"])
    assert subject.notes == []


@pytest.mark.parametrize(
    "manifest",
    [
        b"not JSON",
        b'{"layers": [{"digest": "\xff", "size": 1}]}',
        b'{"x": ' + 100_000 * b"[",
        msgspec.json.encode({"layers": [{"digest": "sha256:\u20ac", "size": 1}]}),
        msgspec.json.encode({"manifests": [{"digest": "sha256:a\n", "size": 1}]}),
    ],
    ids=["text", "not UTF-8", "nested", "no letters", "lines"],
)
async def test_a_manifest_that_cannot_be_read_is_told(manifest):
    async with (
        answering(lambda *_: reply(200, manifest)) as port,
        Registry(Address.parse(f"http://127.0.0.1:{port}"), "a/b") as client,
    ):
        with pytest.raises(RegistryUnusable, match="the manifest cannot be read"):
            await look_at(client, "v1")


async def test_a_redirect_to_nowhere_is_told():
    def answer(method, path, headers):
        status = 307 if "/blobs/" in path else 200
        return reply(status, msgspec.json.encode({"layers": [LAYER]}), Location="http://[")

    async with answering(answer) as port, Registry(Address.parse(f"http://127.0.0.1:{port}"), "a/b") as client:
        with pytest.raises(Refused, match="a Location cannot be read"):
            await look_at(client, "v1")
