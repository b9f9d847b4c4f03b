# SPDX-License-Identifier: Apache-2.0
"""Bodies are found where aiohttp's own parser finds them, however the bytes are cut into pieces."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import pytest
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError
from hypothesis import example, given
from hypothesis import strategies as st

from estiva.web.framing import Chunked, Counted, FramingError

HEAD = b"PATCH /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"
END = b"0\r\n\r\n"


class Reading:
    """What a payload of aiohttp's wants of its connection."""

    connected = True
    _reading_paused = False

    def pause_reading(self):
        pass

    def resume_reading(self, resume_parser=True):
        pass


@dataclass
class Outcome:
    """What became of the bytes behind a head."""

    broken: bool = False
    complete: bool = False
    body: bytes = b""
    requests: int = 0


class Parser:
    """aiohttp's, with a head read already."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.parser = HttpRequestParser(Reading(), self.loop, 2**20, auto_decompress=False)
        ((_, self.payload),), _, _ = self.parser.feed_data(HEAD)
        self.requests = 0

    def feed(self, data):
        messages, _, _ = self.parser.feed_data(data)
        self.requests += len(messages)

    def outcome(self, before=b""):
        self.loop.close()
        body = before + b"".join(self.payload._buffer)
        return Outcome(False, self.payload.is_eof(), body, self.requests)


def by_aiohttp(pieces):
    parser = Parser()
    try:
        for piece in pieces:
            parser.feed(piece)
    except HttpProcessingError:
        parser.loop.close()
        return Outcome(broken=True)
    return parser.outcome()


def directly(pieces, most=3):
    parser, framing, body = Parser(), Chunked(), b""
    try:
        for piece in pieces:
            if framing.ended:
                parser.feed(piece)
                continue
            body += b"".join(taken(framing, piece, most))
            if framing.ended:
                parser.feed(framing.end)
                parser.feed(framing.beyond)
    except (FramingError, HttpProcessingError):
        parser.loop.close()
        return Outcome(broken=True)
    return parser.outcome(body)


def taken(framing, piece, most):
    """Yield what a framing finds in a piece, at most so many spans at a time."""
    data, position = memoryview(piece), 0
    while position < len(piece) and not framing.ended:
        spans = []
        position = framing.split(data, (position, len(piece)), spans, most)
        assert len(spans) <= most
        yield from (data[start:stop] for start, stop in spans)


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges) if stop > start]


SIZES = st.integers(1, 300)
WRONG = st.sampled_from(
    [
        b"ffffffffffffffff\r\n",
        b"fffffffffffffff\r\n",
        b"10000000000000000\r\nx",
        b"00000000000000001\r\nx\r\n",
        b"-1\r\nx\r\n",
        b"+1\r\nx\r\n",
        b"0x1\r\nx\r\n",
        b" 1\r\nx\r\n",
        b"1 \r\nx\r\n",
        b"1\nx\r\n",
        b"1\r\nx\n",
        b"1\r\nxy\r\n",
        b"1\r\n\r\n",
        b"1\r\nx\r\r\n",
        b"\r\n",
        b"1\r\r\nx\r\n",
        b"1;\r\nx\r\n",
        b"xyz\r\n",
        b"0\n\n",
        b"0\r\n\n",
        b"0\r\r\n\r\n",
        b"000000000000000000\r\n\r\n",
    ]
)


@st.composite
def chunks(draw):
    """A chunk as senders write it, or nearly."""
    size = draw(SIZES)
    text = draw(st.sampled_from([f"{size:x}", f"{size:X}", f"{size:08x}", f"{size:015x}", f"{size:016x}"]))
    extension = draw(st.sampled_from(["", "", "", ";a", ";a=b", ';a="b"', "; a=b"]))
    return f"{text}{extension}\r\n".encode() + bytes([draw(st.integers(0, 255))]) * size + b"\r\n"


BEYOND = st.sampled_from([b"", b"", NEXT, NEXT + NEXT, b"\r\n", b"nonsense\r\n\r\n", NEXT[:10]])
LAST = st.sampled_from(
    [END, END, b"00\r\n\r\n", b"0;a=b\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\nA b\r\n\r\n", b"0\r\nA: b\r\n", b""]
)


@given(
    st.lists(chunks(), max_size=8),
    st.none() | WRONG,
    LAST,
    BEYOND,
    st.lists(st.integers(0, 10_000), max_size=12),
)
@example([], None, END, b"", [])
@example([], b"ffffffffffffffff\r\n", END, NEXT, [5])
def test_a_chunked_body_means_what_it_means_to_aiohttp(plain, wrong, last, beyond, places):
    stream = b"".join(plain) + (wrong or b"") + last + beyond
    pieces = cut(stream, places)
    assert directly(pieces) == by_aiohttp(pieces)


STREAMS = [
    b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n" + NEXT,
    b"5\r\nhello\r\n0005\r\nworld\r\n000\r\n\r\n",
    b"5\r\nhello\r\n5;x=y\r\nworld\r\n0\r\n\r\n" + NEXT,
    b"5\r\nhello\r\n0\r\nTrailer: yes\r\nAnother: one\r\n\r\n" + NEXT,
    b"5\r\nhello\r\n0;x\r\n\r\n",
    b"5\r\nhello5\r\nworld\r\n0\r\n\r\n",
    b"5\r\nhello\r\nffffffffffffffff\r\nworld",
    b"5\r\nhello\r\n10000000000000005\r\nworld\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0000000000000005\r\nworld\r\n0\r\n\r\n",
    b"5\r\nhello\r\nz\r\n",
    b"5\r\nhello\r\n\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"0\r\n\r\n" + NEXT,
    b"5\r\nhello\r\n0\r\n\r\nnonsense\r\n\r\n",
]


@pytest.mark.parametrize("stream", STREAMS)
def test_it_does_so_cut_at_every_place(stream):
    whole = by_aiohttp([stream])
    for place in range(len(stream) + 1):
        pieces = [piece for piece in (stream[:place], stream[place:]) if piece]
        assert directly(pieces) == by_aiohttp(pieces) == whole
    assert directly([bytes([byte]) for byte in stream]) == whole


@given(st.binary(max_size=300), st.binary(max_size=50), st.lists(st.integers(0, 400), max_size=6))
def test_a_body_with_a_length_ends_after_so_many_bytes(body, beyond, places):
    framing, found, behind = Counted(len(body)), b"", b""
    for piece in cut(body + beyond, places):
        if framing.ended:
            behind += piece
            continue
        found += b"".join(taken(framing, piece, 1))
        behind += framing.beyond
    assert found == body
    assert framing.ended or not body + beyond
    assert behind == beyond
