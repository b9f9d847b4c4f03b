# SPDX-License-Identifier: Apache-2.0
"""What is read in a run is found with few bytes, whatever the registry sends."""

import asyncio

import msgspec

from estiva.client.address import Address
from estiva.client.registry import Registry
from estiva.client.subject import look_at
from estiva.client.wire import KEPT

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
