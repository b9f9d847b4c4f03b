# SPDX-License-Identifier: Apache-2.0
"""Errors that whoever runs a command can mend: told on stderr without a traceback, exit code 2."""

import contextlib
from collections.abc import Iterator

import typer

from estiva.errors import OperatorError

EXIT_CODE = 2


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Print an OperatorError of the block, with its cure, and end the command."""
    try:
        yield
    except OperatorError as error:
        for line in error.message.splitlines():
            typer.secho(f"estiva: {line}", err=True, fg=typer.colors.RED)
        if error.hint:
            typer.echo(f"hint: {error.hint}", err=True)
        raise typer.Exit(EXIT_CODE) from None
