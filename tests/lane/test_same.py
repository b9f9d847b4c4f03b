# SPDX-License-Identifier: Apache-2.0
"""The same bytes to a server with the lane and to one without it: the same answers, log and metrics."""

import asyncio
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.alike import HEAD, exchange
from harness.client import connect

END = f"GET /v2/ HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode()

methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "HEAD", "PATCH", "get", "DELET"])
versions = st.sampled_from(["HTTP/1.1"] * 20 + ["HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", "http/1.1", ""])
paths = st.sampled_from(
    ["/v2/team/app/manifests/v1"] * 12
    + ["/v2/team/app/manifests/DIGEST", "/v2/team/app/blobs/BLOB", "/v2/team/app/blobs/DIGEST"] * 8
    + [
        "/v2/team/app/manifests/odd",
        "/v2/team/app/manifests/none",
        "/v2//team//app//manifests/v1",
        "/v2/team/app/../app/manifests/v1",
        "/v2/team/app/manifests/v1?",
        "/v2/team/app/manifests/v1#x",
        "/v2/team%2fapp/manifests/v1",
        "/v2/none/manifests/v1",
        "/v2/team/app/blobs/sha256:0",
        "/v2/team/app/blobs/uploads",
        "/v2/team/app/tags/list",
        "/v2/library/team/manifests/v1",
        "/v2/a/manifests/b/manifests/v1",
        "http://x/v2/team/app/manifests/v1",
        "/v2/",
        "/",
    ]
)
names = st.sampled_from(["Accept", "accept", "Host", "X-Request-Id", "Authorization", "Via", "Cookie", "X_Y", "Range"])
special = st.sampled_from(
    [
        "Connection: close",
        "Connection: keep-alive",
        "Connection: Keep-Alive, X",
        "Content-Length: 0",
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
        "Range: bytes=1-2",
        "Range: bytes=9999999-",
        "If-None-Match: *",
        "If-Match: *",
        "Expect: 100-continue",
        "Upgrade: websocket",
        "Accept: application/vnd.docker.distribution.manifest.v2+json",
        "Forwarded: for=1.2.3.4",
        " folded",
        "NoColon",
        ": no name",
        "Space : x",
        "Nul: \x00",
        "Latin: \xe9",
        "Tab:\t x \t",
        "Empty:",
    ]
)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
fields = st.one_of(st.builds("{}: {}".format, names, values), special)
ends = st.sampled_from(["\r\n"] * 60 + ["\n", "\r"])


plain = st.builds(
    "{} {} HTTP/1.1\r\nHost: registry.test\r\n{}\r\n".format,
    st.sampled_from(["GET", "HEAD"]),
    paths,
    st.lists(st.builds("{}: {}\r\n".format, st.sampled_from(["Accept", "User-Agent", "Authorization"]), values)).map(
        "".join
    ),
)


@st.composite
def odd(draw):
    """A request with anything in it."""
    lines = [f"{draw(methods)} {draw(paths)} {draw(versions)}"]
    lines += draw(st.sampled_from([["Host: registry.test"]] * 9 + [[]]))
    lines += draw(st.lists(fields, max_size=3))
    return "".join(line + draw(ends) for line in [*lines, ""]) + draw(st.sampled_from([""] * 8 + ["abc", "\r\n"]))


@st.composite
def streams(draw):
    """A few requests, each a piece, or cut anywhere."""
    whole = draw(st.lists(st.one_of(plain, plain, plain, odd()), min_size=1, max_size=6))
    if draw(st.booleans()):
        return whole
    stream = "".join(whole)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=3)))
    return [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@given(pieces=streams())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_sent_is_answered_alike(pair, pieces):
    known = [
        piece.replace("DIGEST", pair.image.digest).replace("BLOB", pair.blob).encode("latin-1") for piece in pieces
    ]
    fast, plain = await asyncio.gather(exchange(pair.fast, *known, END), exchange(pair.plain, *known, END))
    assert fast == plain


def lines(registry):
    """Return the access log without what differs each time."""
    entries = [json.loads(line) for line in registry.log.getvalue().splitlines()]
    return [
        {name: text for name, text in entry.items() if name not in {"timestamp", "request_id", "duration_ms"}}
        for entry in entries
    ]


async def counted(registry):
    """Return the numbers that requests leave behind, but for the times that they took."""
    async for client in connect(registry.base):
        text = (await client.get("/metrics")).body.decode()
    told = [line for line in text.splitlines() if line.startswith("estiva_")]
    return [
        line for line in told if "duration_seconds" not in line and "storage" not in line and "event_loop" not in line
    ]


async def test_log_and_metrics_are_alike(pair):
    for registry in (pair.fast, pair.plain):
        for path in ("manifests/v1", f"manifests/{pair.image.digest}", f"blobs/{pair.blob}"):
            for method in ("GET", "HEAD"):
                request = f"{method} /v2/team/app/{path} HTTP/1.1\r\n{HEAD}\r\n".encode()
                await exchange(registry, request)
    assert lines(pair.fast)[-6:] == lines(pair.plain)[-6:]
    assert await counted(pair.fast) == await counted(pair.plain)
