# SPDX-License-Identifier: Apache-2.0
"""Uploads as bytes on the wire."""

from collections.abc import Sequence

END = b"0\r\n\r\n"
PING = b"GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n"


def head(method: str, path: str, *fields: str) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: registry.test", *fields, "", ""]
    return "\r\n".join(lines).encode()


def counted(method: str, path: str, content: bytes, *fields: str) -> bytes:
    """Return a request whose head tells the length of its body."""
    return head(method, path, f"Content-Length: {len(content)}", *fields) + content


def in_chunks(content: bytes, sizes: Sequence[int]) -> bytes:
    """Return a body in chunks of these sizes, over and over, without its end."""
    body, position, number = bytearray(), 0, 0
    while position < len(content):
        piece = content[position : position + sizes[number % len(sizes)]]
        body += b"%x\r\n%b\r\n" % (len(piece), piece)
        position, number = position + len(piece), number + 1
    return bytes(body)


def chunked(method: str, path: str, content: bytes, *fields: str, sizes: Sequence[int] = (32_768,)) -> bytes:
    """Return a request whose body comes in chunks."""
    return head(method, path, "Transfer-Encoding: chunked", *fields) + in_chunks(content, sizes) + END
