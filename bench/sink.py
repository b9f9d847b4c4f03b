# SPDX-License-Identifier: Apache-2.0
"""A server that takes every push and keeps nothing: the ceiling of the upload rows.

`python -m bench.sink PORT`. Bodies are discarded in the kernel, so whatever rate it shows is the client's.
One process per connection, as the clients have.
"""

import os
import socket
import sys

from bench.wire import HOST, WIRE_BYTES

_WINDOW = 4 * 1024 * 1024
_LENGTHS = tuple(f"\r\n{name}: ".lower().encode() for name in (WIRE_BYTES, "Content-Length"))
_END = b"\r\n0\r\n\r\n"
_ANSWERS = {
    b"GET": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HEAD": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"POST": b"HTTP/1.1 202 Accepted\r\nLocation: /v2/upload\r\nContent-Length: 0\r\n\r\n",
    b"PATCH": b"HTTP/1.1 202 Accepted\r\nLocation: /v2/upload\r\nContent-Length: 0\r\n\r\n",
    b"PUT": b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    b"DELETE": b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
}


def body_length(head: bytes) -> int:
    """Return how many bytes follow `head` on the wire."""
    lowered = head.lower()
    for field in _LENGTHS:
        _, found, rest = lowered.partition(field)
        if found:
            return int(rest.partition(b"\r\n")[0])
    return 0


def discard_chunks(connection: socket.socket, begun: bytes, trash: bytearray) -> None:
    """Read to the end of a chunked body, of which nothing follows: what `estiva bench` sends."""
    tail = begun[-len(_END) :]
    while tail != _END:
        got = connection.recv_into(trash)
        if not got:
            return
        tail = (tail + trash[max(0, got - len(_END)) : got])[-len(_END) :]


def serve_connection(connection: socket.socket) -> None:
    """Answer requests until the client closes."""
    trash = bytearray(_WINDOW)
    rest = b""
    while True:
        while (end := rest.find(b"\r\n\r\n")) < 0:
            data = connection.recv(65536)
            if not data:
                return
            rest += data
        head, rest = rest[: end + 4], rest[end + 4 :]
        length = body_length(head)
        if not length and b"\r\nTransfer-Encoding: chunked\r\n" in head:
            discard_chunks(connection, rest, trash)
            rest = b""
        left = length - min(length, len(rest))
        rest = rest[length - left :]
        while left:
            got = connection.recv_into(trash, min(left, _WINDOW), socket.MSG_TRUNC)
            if not got:
                return
            left -= got
        connection.sendall(_ANSWERS[head.partition(b" ")[0]])


def main(port: int) -> None:
    """Listen on `port` until killed."""
    listener = socket.create_server((HOST, port), backlog=128)
    children = 0
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Reaped here, not by ignoring SIGCHLD: only then does their CPU time stay in the accounts.
        while children and os.waitpid(-1, os.WNOHANG) != (0, 0):
            children -= 1
        if os.fork() == 0:
            listener.close()
            serve_connection(connection)
            os._exit(0)
        children += 1
        connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
