# SPDX-License-Identifier: Apache-2.0
"""The tree of commands. What a command needs is imported when it runs, so that help comes at once."""

from typing import Annotated

import typer

from estiva import __version__
from estiva.cli.bench import bench
from estiva.cli.config import settings_commands
from estiva.cli.serve import serve

commands = typer.Typer(
    help="Estiva, a container registry: stores, versions and distributes Docker and OCI images.",
    epilog="Every setting can also come from a TOML file and from ESTIVA_* variables; `estiva config show` lists them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, passwords among them
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands.command()(serve)
commands.command()(bench)
commands.add_typer(settings_commands, name="config")


def _print_version(asked: bool) -> None:  # noqa: FBT001 - the signature of a callback
    if asked:
        typer.echo(f"estiva {__version__}")
        raise typer.Exit


@commands.callback()
def estiva(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Estiva, a container registry: stores, versions and distributes Docker and OCI images."""
