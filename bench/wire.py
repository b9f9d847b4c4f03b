# SPDX-License-Identifier: Apache-2.0
"""A client's side of HTTP/1.1, reduced to what a benchmark needs.

It must cost far less than the server that it loads: uploads leave by sendfile from a file that already carries
their chunk framing, downloads are thrown away in the kernel (`MSG_TRUNC` on TCP copies nothing).
"""

import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from bench.plan import BenchError

HOST = "127.0.0.1"
WIRE_BYTES = "X-Bench-Wire-Bytes"
"""Tells the sink how long a chunked body is, so that it can discard it unread; registries ignore it."""

_TIMEOUT_S = 120
_WINDOW = 4 * 1024 * 1024
_NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response to what was `asked`; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    asked: str = "a request"

    def expect(self, *statuses: int) -> Self:
        """Return this answer, or raise `BenchError` when its status is none of `statuses`."""
        if self.status not in statuses:
            said = self.body[:300].decode(errors="replace")
            raise BenchError(f"{self.asked} was answered with {self.status} {said}".rstrip())
        return self

    @property
    def location(self) -> str:
        """Path and query of the Location header."""
        parts = urlsplit(self.headers["location"])
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A blob to push: `framed` bytes of chunks from the file at `path`, then `tail` as the last chunk."""

    path: str = ""
    framed: int = 0
    tail: bytes
    digest: str
    size: int

    @property
    def ending(self) -> bytes:
        """The last chunk, and the end of the chunked body."""
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.tail), self.tail)


class Connection:
    """One keep-alive connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._host = f"{HOST}:{port}"
        self._rest = b""
        self._trash = bytearray()  # made when it is needed: there may be thousands of connections
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> socket.socket:
        """Return the open socket, opened anew after the server closed it."""
        if self._socket is None:
            opened = socket.create_connection((HOST, self._port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A kernel timeout keeps the socket blocking: Python's own would add a poll() to every call.
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                opened.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", _TIMEOUT_S, 0))
            self._socket, self._rest = opened, b""
        return self._socket

    def close(self) -> None:
        """Close the socket; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one request and read its whole answer."""
        lengths = {"Content-Length": str(len(body))} if method in {"POST", "PUT"} else {}
        self.connect().sendall(self._head(method, target, {**lengths, **(headers or {})}) + body)
        return self._answer(method)

    def upload(self, method: str, target: str, body: Body) -> Answer:
        """Send `body` chunked, without copying it, and read the answer."""
        ending = body.ending
        connection = self.connect()
        head = self._head(
            method,
            target,
            {
                "Content-Type": "application/octet-stream",
                "Transfer-Encoding": "chunked",
                WIRE_BYTES: str(body.framed + len(ending)),
            },
        )
        try:
            connection.sendall(head, socket.MSG_MORE)
            if body.framed:
                _send_file(connection, body.path, body.framed)
            connection.sendall(ending)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise BenchError(f"a server closed the connection during an upload: {error}") from error
        return self._answer(method)

    def begin(self, method: str, target: str) -> socket.socket:
        """Send the head of a chunked body, whose chunks the caller sends on the socket that is returned."""
        connection = self.connect()
        headers = {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        connection.sendall(self._head(method, target, headers))
        return connection

    def download(self, target: str, *, headers: Mapping[str, str] | None = None) -> int:
        """Fetch `target`, or a part of it, discard its body in the kernel and return the length of it."""
        self.connect().sendall(self._head("GET", target, headers or {}))
        answer = self._read_head()
        wanted = 206 if headers and "Range" in headers else 200
        if answer.status != wanted or "content-length" not in answer.headers:
            raise BenchError(f"a download was answered with {answer.status} and no usable length")
        length = int(answer.headers["content-length"])
        self._discard(length)
        self._note_close(answer)
        return length

    def _head(self, method: str, target: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}", "User-Agent: estiva-bench"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _receive(self) -> bytes:
        data = self.connect().recv(65536)
        if not data:
            raise BenchError("a server closed the connection instead of answering")
        return data

    def _read_head(self) -> Answer:
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        self._rest = data[end + 4 :]
        first, *lines = data[:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return Answer(status=int(first[9:12]), headers={name.lower(): value.strip() for name, _, value in pairs})

    def _answer(self, method: str) -> Answer:
        head = self._read_head()
        while head.status == 100:
            head = self._read_head()
        body = b"" if method == "HEAD" or head.status in _NO_BODY else self._read_body(head)
        self._note_close(head)
        return Answer(status=head.status, headers=head.headers, body=body, asked=method)

    def _read_body(self, head: Answer) -> bytes:
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        return self._take(int(head.headers.get("content-length", "0")))

    def _take(self, length: int) -> bytes:
        pieces = [self._rest]
        have = len(self._rest)
        while have < length:
            pieces.append(self._receive())
            have += len(pieces[-1])
        data = b"".join(pieces)
        self._rest = data[length:]
        return data[:length]

    def _take_line(self) -> bytes:
        while (end := self._rest.find(b"\r\n")) < 0:
            self._rest += self._receive()
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line

    def _read_chunks(self) -> bytes:
        pieces = []
        while length := int(self._take_line().partition(b";")[0], 16):
            pieces.append(self._take(length))
            self._take_line()
        while self._take_line():
            pass
        return b"".join(pieces)

    def _discard(self, length: int) -> None:
        early = min(length, len(self._rest))
        self._rest = self._rest[early:]
        left = length - early
        self._trash = self._trash or bytearray(_WINDOW)
        connection, trash = self.connect(), self._trash
        while left:
            got = connection.recv_into(trash, min(left, _WINDOW), socket.MSG_TRUNC)
            if not got:
                raise BenchError("a server closed the connection during a download")
            left -= got

    def _note_close(self, answer: Answer) -> None:
        if answer.headers.get("connection", "").lower() == "close":
            self.close()


def _send_file(connection: socket.socket, path: str, length: int) -> None:
    source = os.open(path, os.O_RDONLY)
    try:
        offset = 0
        while offset < length:
            sent = os.sendfile(connection.fileno(), source, offset, length - offset)
            if not sent:
                raise BenchError("the file of random bytes is too short")
            offset += sent
    finally:
        os.close(source)
