# SPDX-License-Identifier: Apache-2.0
"""The commands: parse, call, print, exit."""

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process and exit with its code."""
    from estiva.cli.commands import commands

    commands(prog_name="estiva")
