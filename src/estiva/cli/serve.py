# SPDX-License-Identifier: Apache-2.0
"""`estiva serve`."""

import os
from typing import Annotated

import typer

from estiva.cli.failures import told
from estiva.cli.options import ConfigFile
from estiva.config import load_settings, require_open
from estiva.options.server import OpenMode

Host = Annotated[
    str | None,
    typer.Option(metavar="HOST", help="Address to listen on, `::` for all (default: both loopback addresses)."),
]
Port = Annotated[str | None, typer.Option(metavar="PORT", help="TCP port; 0 takes a free one (default: 5000).")]
Data = Annotated[str | None, typer.Option(metavar="DIR", help="Directory for everything stored (default: data).")]
Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="postgresql:// URL, or path of an SQLite file (default: a file in the data directory). "
        "Give a password by ESTIVA_DATABASE instead: other users can read command lines.",
    ),
]
OpenHere = Annotated[
    bool | None,
    typer.Option(
        "--open/--open-anywhere",
        help="No authentication: programs on this machine (--open), or whoever reaches the server (--open-anywhere), "
        "may push and delete.",
    ),
]


def serve(
    *,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    database: Database = None,
    open_here: OpenHere = None,
    config: ConfigFile = None,
) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C).

    There is no authentication yet: --open or --open-anywhere says so.
    """
    modes = {None: None, True: OpenMode.LOOPBACK, False: OpenMode.ANYWHERE}
    flags = {"host": host, "port": port, "data": data, "database": database, "open": modes[open_here]}
    with told():
        settings = load_settings(config, os.environ, flags)
        require_open(settings)

        from estiva.app import run  # after the checks: what it imports takes a while

        run(settings)
