# SPDX-License-Identifier: Apache-2.0
"""Streams that two parsers may read in two ways: this server reads each in one, whatever way through it they take."""

import asyncio
import contextlib
import re

import pytest

from estiva.config import Settings
from estiva.options.limits import LimitOptions
from harness.alike import exchange, send_apart
from harness.client import connect
from harness.content import Image, digest
from harness.raw import wire
from harness.server import serve
from harness.smuggling import FAMILIES
from harness.switches import VARIABLE

SHORT = {"head_timeout": 2.0, "stall_timeout": 2.0, "keepalive": 2.0}
AT_ONCE = 25
_ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r]*\r\n.*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"Content-Length: (\d+)")
_CODE = re.compile(rb'"code":"(\w+)"')
WAYS = {
    "all": LimitOptions(**SHORT),
    "no lane": LimitOptions(**SHORT, lane=False),
    "no direct uploads": LimitOptions(**SHORT, direct_uploads=False),
    "neither": LimitOptions(**SHORT, lane=False, direct_uploads=False),
}


@pytest.fixture
async def servers(tmp_path, monkeypatch):
    """One server for each way, all with the same content."""
    monkeypatch.delenv(VARIABLE, raising=False)
    image, running = Image(), {}
    async with contextlib.AsyncExitStack() as stack:
        for way, limits in WAYS.items():
            running[way] = await stack.enter_async_context(serve(tmp_path / way, Settings(limits=limits)))
            async for client in connect(running[way].base):
                await client.push_image("team/app", image, "v1")
        yield running


async def answers(registry, attacks, cut):
    """Send each stream on a connection of its own, in one piece, or cut at the end of its first head."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(attack):
        head, end, rest = attack.stream.partition(b"\r\n\r\n")
        async with gate:
            return await exchange(registry, *([head + end, rest] if cut else [attack.stream]))

    return dict(zip([attack.name for attack in attacks], await asyncio.gather(*map(one, attacks)), strict=True))


def outline(answers):
    """Return status, whether the connection closes, and error code or body of each answer.

    Left out is what says nothing of where requests begin: 100, the wording of errors, and a last 408 for bytes that do
    not become a head, which only some ways notice behind a body.
    """
    told, rest = [], answers.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    while (found := _ANSWER.match(rest)) is not None:
        rest = rest[found.end() :]
        length = 0 if rest.startswith(b"HTTP/1.") else int((_LENGTH.search(found[0]) or [0, 0])[1])
        body, rest = rest[:length], rest[length:]
        code = _CODE.search(body)
        told.append((found[1], b"Connection: close" in found[0], code[1] if code else body))
    return told[:-1] if told and told[-1][0] == b"408" and b"no head came" in answers else told


def is_smuggled(answer):
    """Whether the hidden request was answered: nothing else asks for that repository."""
    return b"there is no repository canary" in answer


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[pytest.mark.long] * (name == "other_bytes")) for name in FAMILIES]
)
async def test_no_way_through_the_server_sees_other_requests(servers, family, cut):
    attacks = list(FAMILIES[family]())
    answered = await asyncio.gather(*(answers(registry, attacks, cut) for registry in servers.values()))
    told = dict(zip(servers, answered, strict=True))
    assert len({attack.name for attack in attacks}) == len(attacks)
    assert {
        a.name: told["neither"][a.name] for a in attacks if not a.open and is_smuggled(told["neither"][a.name])
    } == {}
    for way, known in told.items():
        assert {name: outline(answer) for name, answer in known.items()} == {
            name: outline(answer) for name, answer in told["neither"].items()
        }, way


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", [b"0\r\n\r\n", b"0\r\nT: x\r\n\r\n", b"0;ext\r\n\r\n", b"0" * 17 + b"\r\n\r\n"])
async def test_the_rest_of_a_head_behind_a_body_is_no_request(servers, way, end):
    path = f"/v2/team/app/blobs/uploads/?digest={digest(b'hello')}"
    head = f"POST {path} HTTP/1.1\r\nHost: registry.test\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    begun = b"GET /v2/ HTTP/1.1\r\nHost: registry.test\r\nX: "
    rest = b"GET /v2/team/app/manifests/v1 HTTP/1.1\r\nHost: registry.test\r\n\r\n"
    async with wire(servers[way].port) as connection:
        await send_apart(connection, [head, b"5\r\nhello\r\n", end + begun])
        assert (await connection.answer()).status == 201
        await connection.send(rest)
        assert (await connection.answer()).status == 400  # Host stands twice in one head


@pytest.mark.parametrize("way", WAYS)
async def test_a_malformed_body_is_never_taken_for_a_whole_one(servers, way):
    """Invariant 12: not even where what came before the fault is just what the digest says."""
    for content, chunks in ((b"", b"+5\r\nhello\r\n0\r\n\r\n"), (b"hello", b"5\r\nhello\r\n+0\r\n\r\n")):
        path = f"/v2/team/app/blobs/uploads/?digest={digest(content)}"
        head = f"POST {path} HTTP/1.1\r\nHost: registry.test\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        for pieces in ([head + chunks], [head, chunks], [head + chunks[:12], chunks[12:]]):
            assert outline(await exchange(servers[way], *pieces))[0][0] == b"400"
    async for client in connect(servers[way].base):
        assert (await client.head(f"/v2/team/app/blobs/{digest(b'hello')}")).status == 404
