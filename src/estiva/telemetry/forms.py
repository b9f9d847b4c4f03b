# SPDX-License-Identifier: Apache-2.0
"""The form of log lines, and text of others made safe to stand in one."""

from typing import TextIO

from estiva.options.log import LogFormat


def resolve(wanted: LogFormat, stream: TextIO) -> LogFormat:
    """Return CONSOLE or JSON: what was asked for, or what suits the stream."""
    if wanted is not LogFormat.AUTO:
        return wanted
    return LogFormat.CONSOLE if stream.isatty() else LogFormat.JSON


def escape(text: str) -> str:
    r"""Return the text with everything that does not print written as `\n`, `\x1b`, `\u202e`.

    So nobody can begin a line of their own, or drive the terminal of whoever reads the log.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def well_formed(text: str) -> str:
    r"""Return the text with half characters, which stand for bytes that were not UTF-8, written as `\udcff`.

    Strict readers of JSON refuse a document that has one, and with it the line that tells who sent it.
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
