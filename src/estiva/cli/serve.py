# SPDX-License-Identifier: Apache-2.0
"""`estiva serve`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from estiva.cli.failures import told
from estiva.cli.options import ConfigFile
from estiva.config import load_settings, require_open
from estiva.errors import SettingsInvalid
from estiva.options.server import OpenMode


def serve(  # noqa: PLR0913 - one for each option
    *,
    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Address to listen on, `::` for all (default: both loopback addresses)."),
    ] = None,
    port: Annotated[
        str | None, typer.Option(metavar="PORT", help="TCP port; 0 takes a free one (default: 5000).")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Directory for everything stored (default: data).")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="postgresql:// URL, or path of an SQLite file (default: a file in the data directory). "
            "Give a password by ESTIVA_DATABASE instead: other users can read command lines.",
        ),
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="No authentication: programs on this machine may push and delete.")
    ] = False,
    open_anywhere: Annotated[
        bool, typer.Option("--open-anywhere", help="No authentication: whoever reaches it may push and delete.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C).

    There is no authentication yet: --open or --open-anywhere says so.
    """
    flags: dict[str, object] = {"host": host, "port": port, "data": data, "database": database}
    with told():
        _serve(config, flags | {"open": _open_mode(this_machine=open_, anywhere=open_anywhere)})


def _serve(config_file: Path | None, flags: dict[str, object]) -> None:
    settings = load_settings(config_file, os.environ, flags)
    require_open(settings)

    from estiva.app import run  # after the checks: what it imports takes a while

    run(settings)


def _open_mode(*, this_machine: bool, anywhere: bool) -> OpenMode | None:
    if this_machine and anywhere:
        raise SettingsInvalid("--open and --open-anywhere say different things", hint="give one of them")
    if anywhere:
        return OpenMode.ANYWHERE
    return OpenMode.LOOPBACK if this_machine else None
