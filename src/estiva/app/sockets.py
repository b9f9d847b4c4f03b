# SPDX-License-Identifier: Apache-2.0
"""Listening sockets."""

import errno
import socket

from estiva.errors import AddressUnavailable

BACKLOG = 1024  # connections that wait to be accepted
LOOPBACK = ("127.0.0.1", "::1")


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind every address of `host` to one port and listen; port 0 takes a free one.

    `localhost` means both loopback addresses whatever the resolver says, since clients try either; a machine without
    IPv6 does with one. Raises AddressUnavailable.
    """
    sockets: list[socket.socket] = []
    for family, address in _addresses(host, port):
        try:
            bound = _bind(family, address, sockets[0].getsockname()[1] if sockets else port)
        except OSError as error:
            if host == "localhost" and sockets and error.errno != errno.EADDRINUSE:
                continue
            for opened in sockets:
                opened.close()
            raise _unavailable(address, port, error) from error
        sockets.append(bound)
    return sockets


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    if host == "localhost":
        return [(socket.AF_INET, LOOPBACK[0]), (socket.AF_INET6, LOOPBACK[1])]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressUnavailable(
            f"the host {host} is not known: {error.strerror}", hint="give --host an address of this machine"
        ) from error
    return list(dict.fromkeys((entry[0], str(entry[4][0])) for entry in found))


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Each family has a socket of its own, or the second bind would fail.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
        bound.bind((address, port))
        bound.listen(BACKLOG)
        bound.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except OSError:
        bound.close()
        raise
    return bound


def _unavailable(address: str, port: int, error: OSError) -> AddressUnavailable:
    if error.errno == errno.EADDRINUSE:
        return AddressUnavailable(
            f"port {port} on {address} is taken by another program",
            hint="stop it, or choose another one with --port (make run PORT=5001); on macOS, AirPlay takes port 5000",
        )
    if error.errno == errno.EACCES:
        return AddressUnavailable(f"this user may not listen on port {port}", hint="choose a port above 1023")
    return AddressUnavailable(f"cannot listen on {address}, port {port}: {error.strerror}")
