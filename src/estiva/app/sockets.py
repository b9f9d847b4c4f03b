# SPDX-License-Identifier: Apache-2.0
"""Listening sockets.

1. The first socket of each address is bound alone: SO_REUSEPORT by itself lets a second server of the same user bind
   too, and take half of the connections, without a word.
2. Each worker has a socket of its own, among which the kernel shares out the connections. The supervisor keeps them
   all: what waits on the socket of a worker that died is accepted by its successor.
3. No socket that listens is closed before the server ends: connections that wait on it would be reset.
4. Whatever listens has its share of the connections, whether or not anybody accepts them. So what is added for more
   workers is only bound, which can be undone, and listens when all of these workers are there.
"""

import errno
import socket
from contextlib import suppress

from estiva.errors import AddressUnavailable

BACKLOG = 1024  # on each socket, connections that wait to be accepted
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


class Listeners:
    """The sockets of a server, a row for each worker: one socket for each address."""

    def __init__(self, host: str, port: int) -> None:
        self._rows = [listen(host, port)]
        for bound in self._rows[0]:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    @property
    def port(self) -> int:
        """The port that they listen on."""
        number: int = self._rows[0][0].getsockname()[1]
        return number

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._rows)

    def grow(self, workers: int) -> int:
        """Have a row for each of so many workers, at least, and return how many there are; new ones are only bound.

        Raises AddressUnavailable, and has no more rows than before then.
        """
        before = self.rows
        while self.rows < workers:
            self._rows.append([])
            for first in self._rows[0]:
                try:
                    self._rows[-1].append(_bind_beside(first))
                except OSError as error:
                    self.shrink(before)
                    address, port, *_ = first.getsockname()
                    raise _unavailable(address, port, error) from error
        return self.rows

    def shrink(self, rows: int) -> None:
        """Close, in this process, what is beyond so many rows; nobody may have listened there."""
        for row in self._rows[rows:]:
            for bound in row:
                bound.close()
        del self._rows[rows:]

    def listen(self) -> None:
        """Have all of them listen; one that cannot is left to its worker, which tries again, and fails."""
        for row in self._rows:
            for bound in row:
                with suppress(OSError):
                    bound.listen(BACKLOG)

    def of(self, position: int, workers: int) -> list[socket.socket]:
        """Return the sockets of one of so many workers; those of earlier, further ones are shared out."""
        return [bound for row in self._rows[position::workers] for bound in row]

    def close(self) -> None:
        """Close, in this process, all of them."""
        for row in self._rows:
            for bound in row:
                bound.close()


def _bind_beside(first: socket.socket) -> socket.socket:
    bound = socket.socket(first.family, socket.SOCK_STREAM)
    try:
        for level, option in ((socket.SOL_SOCKET, socket.SO_REUSEADDR), (socket.SOL_SOCKET, socket.SO_REUSEPORT)):
            bound.setsockopt(level, option, 1)
        if first.family == socket.AF_INET6:
            only = first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        bound.bind(first.getsockname())
        bound.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except OSError:
        bound.close()
        raise
    return bound


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
