# SPDX-License-Identifier: Apache-2.0
"""`estiva config`: look at the settings without starting a server."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import typer

from estiva.cli.failures import EXIT_CODE, told
from estiva.cli.options import AsJson, ConfigFile
from estiva.config import describe_settings, load_settings, plain_value, render_settings, require_open, source_of
from estiva.errors import SettingsInvalid

settings_commands = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _Findings:
    errors: list[str]
    warnings: list[str]


@settings_commands.command()
def check(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check the settings of file and environment.

    The exit code is 2 when one is wrong, and 0 otherwise, warnings included.
    """
    found = _examine(config)
    if as_json:
        typer.echo(json.dumps({"valid": not found.errors, "errors": found.errors, "warnings": found.warnings}))
    else:
        _print(found)
    if found.errors:
        raise typer.Exit(EXIT_CODE)


@settings_commands.command()
def show(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every setting in force and where it comes from, as a TOML file; passwords are masked."""
    with told():
        settings = load_settings(config, os.environ, {})
    if not as_json:
        typer.echo(render_settings(settings), nl=False)
        return
    rows = [
        {
            "key": setting.key,
            "variable": setting.variable,
            "value": plain_value(setting, settings),
            "source": source_of(setting, settings),
        }
        for setting in describe_settings()
    ]
    typer.echo(json.dumps(rows, indent=2))


def _examine(config_file: Path | None) -> _Findings:
    try:
        settings = load_settings(config_file, os.environ, {})
    except SettingsInvalid as error:
        return _Findings(error.message.splitlines(), [])
    try:
        require_open(settings)
    except SettingsInvalid as error:
        return _Findings([], [f"`estiva serve` needs a flag: {error.message}. {error.hint}"])
    return _Findings([], [])


def _print(found: _Findings) -> None:
    for line in found.errors:
        typer.secho(f"error: {line}", err=True, fg=typer.colors.RED)
    for line in found.warnings:
        typer.secho(f"warning: {line}", err=True, fg=typer.colors.YELLOW)
    if not found.errors:
        typer.echo("The settings are valid.")
