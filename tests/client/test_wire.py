# SPDX-License-Identifier: Apache-2.0
"""Answers are read right whatever pieces they come in, and nothing wrong passes for an answer."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.client.tally import Latencies
from estiva.client.wire import Answer, Wire, WireError

ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello": (200, b"hello"),
    b"HTTP/1.1 204 No Content\r\n\r\n": (204, b""),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n": (201, b""),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n": (200, b"abcde"),
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-Content-Length: 7\r\n\r\n{}": (404, b"{}"),
}


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
