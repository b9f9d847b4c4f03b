# SPDX-License-Identifier: Apache-2.0
"""What was pushed is removed with patience, and what is left is counted."""

import asyncio
from collections import Counter

import pytest

from estiva.client.address import Address
from estiva.client.registry import Registry
from estiva.client.removal import Removal, remove

from .fake import answering, reply

PATHS = ["/v2/a/manifests/sha256:1", "/v2/a/blobs/sha256:2", "/v2/a/blobs/sha256:3", "/v2/a/blobs/uploads/4"]
BUSY = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "too busy"}]}'


async def removed(answer):
    """Remove everything from a server that answers like this, and return how that went."""
    removal = Removal()
    async with answering(answer) as port:
        address = Address.parse(f"http://127.0.0.1:{port}")
        await remove(lambda: Registry(address, "a"), PATHS, removal, lambda done, total: None)
    return removal


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_registry_is_asked_again_when_it_says(status):
    asked = Counter()

    def answer(method, path, headers):
        asked[path] += 1
        return reply(status, BUSY, Retry_After="0") if asked[path] < 5 else reply(202)

    assert await removed(answer) == Removal(removed=4, left=0)
    assert set(asked.values()) == {5}


async def test_a_registry_that_stays_busy_is_left_with_its_words():
    removal = await removed(lambda *_: reply(503, BUSY, Retry_After="0"))

    assert (removal.removed, removal.left) == (0, 4)
    assert removal.reason == "deleting from manifests was answered with 503 TOOMANYREQUESTS too busy"


async def test_what_one_kind_is_refused_does_not_keep_the_others():
    removal = await removed(lambda _, path, __: reply(405 if "/blobs/sha256" in path else 202))

    assert (removal.removed, removal.left) == (2, 2)


async def test_a_registry_that_hangs_up_is_not_asked_for_every_kind():
    asked = []

    def answer(method, path, headers):
        asked.append(path)
        return b"not HTTP\r\n"

    removal = await asyncio.wait_for(removed(answer), 20)

    assert (removal.removed, removal.left) == (0, 4)
    assert asked == [PATHS[0]]
