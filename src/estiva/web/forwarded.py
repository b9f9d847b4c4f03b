# SPDX-License-Identifier: Apache-2.0
"""Who really sent a request that came through proxies.

1. Headers are believed only from a peer within `proxy.trusted`, and only as far back as trusted proxies reach: the
   address used is the last one in the chain that is not such a proxy.
2. `Forwarded` (RFC 7239) is preferred to `X-Forwarded-For`.
"""

import ipaddress
import re
from collections.abc import Sequence

from multidict import MultiMapping

_FOR = re.compile(r'for="?(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))', re.IGNORECASE)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddresses:
    """Tells client addresses; `trusted` are CIDR blocks."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted: list[Network] = [ipaddress.ip_network(block, strict=False) for block in trusted]

    def address(self, peer: str | None, headers: MultiMapping[str]) -> str:
        """Return the client's address; `-` for a peer that has none, such as a Unix socket."""
        if peer is None or not self._is_trusted(peer):
            return peer or "-"
        for hop in reversed(_chain(headers)):
            if not _is_address(hop):
                return peer
            peer = hop
            if not self._is_trusted(hop):
                break
        return peer

    def _is_trusted(self, text: str) -> bool:
        if not self._trusted or not _is_address(text):
            return False
        address = ipaddress.ip_address(text)
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        return any(address.version == block.version and address in block for block in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _chain(headers: MultiMapping[str]) -> list[str]:
    # A proxy may append a line of its own instead of adding to the one that came (RFC 9110, section 5.3).
    forwarded = ",".join(headers.getall("Forwarded", ()))
    if forwarded:
        return [six or four for six, four in _FOR.findall(forwarded)]
    hops = ",".join(headers.getall("X-Forwarded-For", ()))
    return [hop.strip() for hop in hops.split(",") if hop.strip()]
