# SPDX-License-Identifier: Apache-2.0
"""What the kernel knows of the other end of a connection."""

import asyncio
import socket

_STATE = slice(0, 1)  # tcpi_state in struct tcp_info (linux/tcp.h)
_ACKED = slice(120, 128)  # tcpi_bytes_acked, since Linux 4.1
_CLOSED = b"\x07"  # TCP_CLOSE (net/tcp_states.h)


def acknowledged(transport: asyncio.BaseTransport) -> int | None:
    """Return how many bytes the peer has acknowledged, or None when the kernel does not tell."""
    field = _info(transport, _ACKED)
    return None if field is None else int.from_bytes(field, "little")


def was_reset(transport: asyncio.BaseTransport) -> bool:
    """Tell whether the connection is over in both directions, although bytes may still wait to be read."""
    return _info(transport, _STATE) == _CLOSED


def _info(transport: asyncio.BaseTransport, field: slice) -> bytes | None:
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    try:
        info: bytes = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, field.stop)
    except OSError:
        return None
    return info[field]
