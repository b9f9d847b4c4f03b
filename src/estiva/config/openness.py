# SPDX-License-Identifier: Apache-2.0
"""Whoever starts a server without authentication has to say so, and for whom."""

import ipaddress

from estiva.config.settings import Settings
from estiva.errors import SettingsInvalid
from estiva.options.server import OpenMode, ServerOptions


def require_open(settings: Settings) -> None:
    """Raise SettingsInvalid unless the settings say who may push without authentication."""
    if settings.server.open is OpenMode.NONE:
        raise SettingsInvalid(
            "this server has no authentication, and no setting says who may push to it",
            hint="--open (or ESTIVA_OPEN=loopback) lets programs on this machine; "
            "--open-anywhere (or ESTIVA_OPEN=anywhere) lets anyone who reaches the server",
        )


def open_contradiction(server: ServerOptions) -> str | None:
    """Say what is wrong when a server for this machine only would listen to others."""
    if server.open is not OpenMode.LOOPBACK or _is_loopback(server.host):
        return None
    return (
        f"--open is for this machine only, and {server.host} is not a loopback address; "
        "listen on localhost, or say --open-anywhere (ESTIVA_OPEN=anywhere)"
    )


def _is_loopback(host: str) -> bool:
    """Whether the host is one for certain; what a name resolves to can change, save for `localhost` (RFC 6761)."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
