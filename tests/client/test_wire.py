# SPDX-License-Identifier: Apache-2.0
"""Answers are read right whatever pieces they come in, and nothing wrong passes for an answer."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.client.chunks import LINE, Chunks
from estiva.client.tally import Latencies
from estiva.client.wire import INTERIM, KEPT, WINDOW, Answer, Wire, WireError

ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello": (200, b"hello"),
    b"HTTP/1.1 204 No Content\r\n\r\n": (204, b""),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n": (201, b""),
    b"HTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 200 x\r\ncontent-length: 1\r\n\r\na": (200, b"a"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n": (200, b"abcde"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0A ; x\r\n0123\r\n6789\r\n00\r\nA: b\r\n\r\n": (
        200,
        b"0123\r\n6789",
    ),
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-Content-Length: 7\r\n\r\n{}": (404, b"{}"),
}


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Pipe(asyncio.Transport):
    """A transport that remembers whether it was closed."""

    aborted = False

    def write(self, data):
        pass

    def abort(self):
        self.aborted = True


def receive(*pieces, bodiless=False):
    """Return what a request hears when these bytes come in answer to it, and the wire."""
    heard = []
    wire = Wire()
    wire.connection_made(Pipe())
    wire.send(b"", heard.append, bodiless=bodiless, keep=True)
    for piece in pieces:
        rest = piece
        while rest:
            view = wire.get_buffer(-1)
            count = min(len(view), len(rest))
            view[:count] = rest[:count]
            wire.buffer_updated(count)
            rest = rest[count:]
    return heard, wire


@pytest.mark.parametrize("wire_bytes", ANSWERS)
@given(st.lists(st.integers(1, 60), max_size=8))
def test_an_answer_is_the_same_in_any_pieces(wire_bytes, cuts):
    edges = sorted({0, len(wire_bytes), *(cut for cut in cuts if cut < len(wire_bytes))})
    heard, _ = receive(*(wire_bytes[start:end] for start, end in itertools.pairwise(edges)))

    assert [(answer.status, answer.body) for answer in heard] == [ANSWERS[wire_bytes]]


def test_the_answer_to_a_head_has_no_body_whatever_its_length_says():
    heard, _ = receive(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", bodiless=True)

    assert [(answer.status, answer.length) for answer in heard] == [(200, 5)]


@pytest.mark.parametrize(
    "wire_bytes",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_not_an_answer_is_told_and_ends_the_connection(wire_bytes):
    heard, wire = receive(wire_bytes)

    assert isinstance(heard[0], WireError)
    assert wire.closed


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"-6\r\n", "b'-6' is not the size of a chunk"),
        (b"+6\r\n", "b'+6' is not the size of a chunk"),
        (b"0x6\r\n", "b'0x6' is not the size of a chunk"),
        (b"1_0\r\n", "b'1_0' is not the size of a chunk"),
        (b" 6\r\n", "b' 6' is not the size of a chunk"),
        (b"6 \r\n", "b'6 ' is not the size of a chunk"),
        (b"\r\n", "b'' is not the size of a chunk"),
        (b"1000000000000000\r\n", "b'1000000000000000' is not the size of a chunk"),
        (b"6\n", "b'6\\n' is no line"),
        (b"1\r\nab\r\n", "a chunk is longer than its size"),
        (b"0\r\n\r\nHTTP/1.1 200 OK\r\n", "bytes came behind its end"),
        (LINE * b"6", "a line between chunks has no end within 8192 bytes"),
        (b"6;" + LINE * b"x" + b"\r\n", "a line between chunks has no end within 8192 bytes"),
        (b"0\r\n" + LINE * b"a: b\r\n", "more than 8192 bytes of trailers came"),
    ],
)
def test_a_chunked_answer_that_is_wrong_is_told_with_what_is_wrong(body, message):
    heard, wire = receive(CHUNKED, body + b"rest")

    assert isinstance(heard[0], WireError)
    assert str(heard[0]) == f"a chunked answer is malformed: {message}"
    assert wire.closed


def test_a_chunk_of_any_size_is_passed_on_as_it_comes():
    chunks = Chunks()

    assert b"".join(chunks.feed(b"fffffffffffff\r\nfirst")) == b"first"
    assert b"".join(chunks.feed(b"second")) == b"second"


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", CHUNKED + b"fffffffff\r\n"]
)
def test_a_body_is_kept_no_further_than_its_bound_and_the_rest_is_not_waited_for(head):
    heard, wire = receive(head, KEPT * b"x")

    assert [answer.body for answer in heard] == [KEPT * b"x"]
    assert wire.closed


def test_a_body_that_is_as_long_as_what_is_kept_leaves_the_connection_open():
    heard, wire = receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % KEPT, KEPT * b"x")

    assert [answer.body for answer in heard] == [KEPT * b"x"]
    assert not wire.closed


def test_so_many_interim_answers_are_passed_over_and_more_are_an_error():
    interim, answer = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    passed_over, _ = receive(INTERIM * interim + answer)
    too_many, wire = receive(10_000 * interim + answer)

    assert [answer.status for answer in passed_over] == [204]
    assert "more than 16 interim answers" in str(too_many[0])
    assert wire.closed


def test_a_head_without_end_is_told_and_leaves_room_to_read_into():
    heard, wire = receive(b"HTTP/1.1 200 OK\r\n", WINDOW * b"x")

    assert [str(error) for error in heard] == [f"the head of an answer has no end within {WINDOW} bytes"]
    assert len(wire.get_buffer(-1)) > 0


def test_a_connection_lost_in_the_middle_of_a_body_is_no_answer():
    heard, wire = receive(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
    wire.connection_lost(None)

    assert isinstance(heard[0], WireError)
    assert heard[0].begun


def test_a_server_that_closes_is_not_asked_again_on_that_connection():
    _, wire = receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    assert wire.closed


def test_headers_are_found_in_any_case_and_all_of_them():
    answer = Answer(401, b"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic\r\nwww-authenticate: Bearer y\r\n\r\n", 0)

    assert answer.headers("Www-Authenticate") == ["Basic", "Bearer y"]
    assert answer.header("Location") == ""


@given(st.lists(st.floats(0.000001, 5000), min_size=1, max_size=50))
def test_a_quantile_is_close_to_the_time_that_was_counted(times):
    latencies = Latencies()
    for time in times:
        latencies.add(time)

    middle = sorted(times)[(len(times) - 1) // 2]
    assert middle * 0.999 - 2e-6 <= latencies.quantile(0.5) <= middle * 1.04 + 2e-6
    assert latencies.quantile(1) == max(times)
