# SPDX-License-Identifier: Apache-2.0
"""`estiva serve`."""

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from estiva.cli.failures import told
from estiva.cli.options import ConfigFile, taking
from estiva.config import Settings, load_settings, require_open
from estiva.options.server import OpenMode


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What can be asked of `estiva serve`."""

    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Address to listen on, `::` for all (default: both loopback addresses)."),
    ] = None
    port: Annotated[str | None, typer.Option(metavar="PORT", help="TCP port; 0 takes a free one (default: 5000).")] = (
        None
    )
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="Directory for everything stored (default: data).")
    ] = None
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="postgresql:// URL, or path of an SQLite file (default: a file in the data directory). "
            "Give a password by ESTIVA_DATABASE instead: other users can read command lines.",
        ),
    ] = None
    workers: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Processes that serve (default: auto, one for each core, at most 8)."),
    ] = None
    open_here: Annotated[
        bool | None,
        typer.Option(
            "--open/--open-anywhere",
            help="No authentication: programs on this machine (--open), or whoever reaches the server "
            "(--open-anywhere), may push and delete.",
        ),
    ] = None
    config: ConfigFile = None

    def settings(self) -> Settings:
        """Return the settings as they are given now. Raises SettingsInvalid."""
        modes = {None: None, True: OpenMode.LOOPBACK, False: OpenMode.ANYWHERE}
        flags = {name: getattr(self, name) for name in ("host", "port", "data", "database", "workers")}
        settings = load_settings(self.config, os.environ, flags | {"open": modes[self.open_here]})
        require_open(settings)
        return settings


@taking(ServeOptions)
def serve(options: ServeOptions) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C). SIGHUP reads the settings again.

    There is no authentication yet: --open or --open-anywhere says so.
    """
    with told():
        settings = options.settings()

        from estiva.app import run  # after the checks: what it imports takes a while

        run(settings, options.settings)
