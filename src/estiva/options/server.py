# SPDX-License-Identifier: Apache-2.0
"""Where the server listens, where its data is, and who may use it."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from estiva.options.kinds import Count, Kind

MOST_WORKERS = 8
AUTO = 0  # workers: as many as this process may use cores, at most MOST_WORKERS


class OpenMode(StrEnum):
    """Who may push and delete without authentication."""

    NONE = "none"
    LOOPBACK = "loopback"
    ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The settings at the top level of the file."""

    host: Annotated[
        str,
        Kind.HOST,
        "Address or name to listen on. `localhost` means both loopback addresses, `::` every address of the machine.",
    ] = "localhost"
    port: Annotated[int, Count(0, 65535), "TCP port to listen on; 0 takes a free one."] = 5000
    data: Annotated[
        Path, "Directory that holds everything stored; made when missing. One server at a time may use it."
    ] = Path("data")
    database: Annotated[
        str,
        Kind.DATABASE,
        "Database: empty for an SQLite file in the data directory, a path for an SQLite file elsewhere, or a URL "
        "`postgresql://user:password@host/name`.",
    ] = field(default="", repr=False)  # a URL may hold a password
    open: Annotated[
        OpenMode,
        "Who may push and delete without authentication: `loopback` (programs on this machine; the host must be a "
        "loopback address) or `anywhere` (anyone who reaches the server). With `none` the server does not start, "
        "since it has no authentication yet.",
    ] = OpenMode.NONE
    workers: Annotated[
        int,
        Kind.WORKERS,
        f"Processes that serve, 1 to {MOST_WORKERS}, or `auto`: one for each core that the server may use. Each has "
        "the limits of `limits` for itself.",
    ] = AUTO
