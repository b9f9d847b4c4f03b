# SPDX-License-Identifier: Apache-2.0
"""Where a registry is, and how it is reached."""

import ipaddress
import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from estiva.errors import RegistryUnusable

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server to talk to; with `verify` off, its certificate is not checked."""

    scheme: str
    host: str
    port: int
    verify: bool = True

    @classmethod
    def parse(cls, text: str, *, verify: bool = True) -> Self:
        """Read `https://host:port` or `host:port`, which is HTTPS unless the host is this machine, as docker has it.

        Raises RegistryUnusable.
        """
        try:
            parts = urlsplit(text if "://" in text else f"//{text}")
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise RegistryUnusable(f"{text!r} is not the address of a registry: {error}") from error
        scheme = parts.scheme or ("http" if _is_loopback(host) else "https")
        spare = parts.username or parts.query or parts.fragment or parts.path.strip("/") not in ("", "v2")
        if not host or scheme not in _PORTS or spare:
            raise RegistryUnusable(
                f"{text!r} is not the address of a registry",
                hint="write https://registry.example.com or http://localhost:5000; a user goes into --user",
            )
        return cls(scheme=scheme, host=host, port=port or _PORTS[scheme], verify=verify)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """Return what TLS needs; None for plain HTTP."""
        if self.scheme == "http":
            return None
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
