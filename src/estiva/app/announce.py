# SPDX-License-Identifier: Apache-2.0
"""What a server says when it listens: to people the lines to type next, to programs one JSON line."""

from typing import TextIO

import msgspec

from estiva import __version__
from estiva.config import Settings
from estiva.options.log import LogFormat
from estiva.options.server import OpenMode
from estiva.telemetry.forms import resolve

EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on
EXAMPLE = "nome-da-imagem"


def announce(settings: Settings, port: int, stream: TextIO) -> None:
    """Write where the server listens, in the form that the log has on this stream."""
    host = "localhost" if settings.server.host in EVERYWHERE else settings.server.host
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if resolve(settings.log.format, stream) is LogFormat.CONSOLE:
        text = _for_people(settings, address)
    else:
        event = {"event": "listening", "url": f"http://{address}", "version": __version__}
        text = msgspec.json.encode(event).decode()
    stream.write(f"{text}\n")
    stream.flush()


def _for_people(settings: Settings, address: str) -> str:
    lines = [
        f"Estiva {__version__} listens on http://{address} (data in {settings.server.data})",
        "",
        "Push an image, and pull it back:",
        f"  docker tag {EXAMPLE} {address}/{EXAMPLE}",
        f"  docker push {address}/{EXAMPLE}",
        f"  docker pull {address}/{EXAMPLE}",
        "",
    ]
    if settings.server.open is OpenMode.ANYWHERE:
        lines[1:1] = ["No authentication: anyone who reaches this server may push and delete."]
    return "\n".join(lines)
