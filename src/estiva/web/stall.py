# SPDX-License-Identifier: Apache-2.0
"""Clients that do not read what they asked for are cut off; clients that are merely slow are not."""

import asyncio
import socket
from types import TracebackType
from typing import Self

_TCP_INFO_ACKED = slice(120, 128)  # tcpi_bytes_acked in struct tcp_info (linux/tcp.h), since Linux 4.1


class StallGuard:
    """Aborts the connection when its peer acknowledges nothing between two looks, `timeout` seconds apart.

    Looks are taken only while the block runs, and the first one only remembers: a client that takes nothing is cut
    off after between one and two times `timeout`.
    """

    def __init__(self, transport: asyncio.Transport, timeout: float) -> None:
        self._transport = transport
        self._timeout = timeout
        self._acked = -1
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._watch)
        return self

    def _watch(self) -> None:
        acked = _acknowledged(self._transport)
        if acked is not None and acked == self._acked:
            self._transport.abort()
            return
        self._acked = -1 if acked is None else acked
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._watch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _acknowledged(transport: asyncio.Transport) -> int | None:
    """Return how many bytes the peer has acknowledged, or None when the kernel does not tell."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_ACKED.stop)
    except OSError:
        return None
    return int.from_bytes(info[_TCP_INFO_ACKED], "little")
