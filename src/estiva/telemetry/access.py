# SPDX-License-Identifier: Apache-2.0
"""The access log: one line for each answer.

Lines are put together directly, since they cost every request: 2 microseconds, where structlog's processors take 30
for JSON and 60 for the console. Those of one turn of the event loop are written together, in pieces that a pipe takes
whole: several processes may write to it. What clients sent is quoted as JSON strings are, in ASCII, so that it can
neither begin a line of its own nor be taken for another field.
"""

import re
import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from select import PIPE_BUF
from typing import Protocol, TextIO

import msgspec

from estiva.options.log import LogFormat, LogOptions
from estiva.telemetry.forms import resolve, well_formed

_is_bare = re.compile(r"[!#-\[\]-~]+").fullmatch  # printable ASCII without space, quote and backslash


class Access(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One answered request; text is as the client sent it. Empty fields are those that the request does not have."""

    request_id: str
    client: str
    method: str
    path: str
    repository: str = ""
    reference: str = ""
    status: int
    bytes_sent: int = 0
    bytes_received: int = 0
    duration_ms: float = 0.0
    user_agent: str = ""


class AccessWriter(Protocol):
    """Takes note of answers."""

    def write(self, access: Access) -> None:
        """Note one answer. Never raises: a log that cannot be written must not fail the request."""


class SilentAccessLog:
    """Takes no note."""

    def write(self, access: Access) -> None:
        """Do nothing."""


LENGTHS = (500, 100, 30)  # characters that are left of a field, the first with which a line is short enough
_LONG = ("method", "path", "repository", "reference", "user_agent")

Soon = Callable[[Callable[[], None]], object]


def at_once(call: Callable[[], None]) -> None:
    """Call, where there is no event loop to do it soon."""
    call()


class AccessLog:
    """Writes lines to a stream. `soon` calls when the work at hand is done; `now` tells seconds since the epoch."""

    def __init__(
        self, form: LogFormat, stream: TextIO, soon: Soon = at_once, now: Callable[[], float] = time.time
    ) -> None:
        self._render = _console if resolve(form, stream) is LogFormat.CONSOLE else _json
        self._stream = stream
        self._soon = soon
        self._now = now
        self._millisecond = -1
        self._stamp = ""
        self._waiting = ""

    def write(self, access: Access) -> None:
        """Write one line, soon; drop it when the stream takes none."""
        timestamp = self._timestamp()
        line = self._render(access, timestamp)
        if len(line) > PIPE_BUF:
            line = self._shorten(access, timestamp)
        if len(self._waiting) + len(line) > PIPE_BUF:  # lines are ASCII
            self._flush()
        first = not self._waiting
        self._waiting += line
        if first:
            self._soon(self._flush)

    def _shorten(self, access: Access, timestamp: str) -> str:
        """Return the line, no longer than what processes can write to one pipe without cutting into each other."""
        line = ""
        for most in LENGTHS:
            line = self._render(_shortened(access, most), timestamp)
            if len(line) <= PIPE_BUF:
                break
        return line

    def _flush(self) -> None:
        lines, self._waiting = self._waiting, ""
        if not lines:
            return
        try:
            self._stream.write(lines)
            self._stream.flush()
        except (OSError, ValueError):  # the disk is full, the reader is gone, the stream is closed
            return

    def _timestamp(self) -> str:
        millisecond = int(self._now() * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            second, rest = divmod(millisecond, 1000)
            self._stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest:03d}Z"
        return self._stamp


def open_access_log(options: LogOptions, stream: TextIO, soon: Soon = at_once) -> AccessWriter:
    """Return the access log that the settings ask for; see `AccessLog`."""
    return AccessLog(options.format, stream, soon) if options.access else SilentAccessLog()


def _shortened(access: Access, most: int) -> Access:
    texts = {name: getattr(access, name) for name in _LONG}
    return msgspec.structs.replace(
        access, **{name: f"{text[:most]}..." for name, text in texts.items() if len(text) > most}
    )


def _json(access: Access, timestamp: str) -> str:
    sent = (
        access.request_id
        + access.client
        + access.method
        + access.path
        + access.repository
        + access.reference
        + access.user_agent
    )
    quote = encode_basestring_ascii if sent.isascii() else _quote
    return (
        f'{{"timestamp":"{timestamp}","event":"access","request_id":{quote(access.request_id)},'
        f'"client":{quote(access.client)},"method":{quote(access.method)},"path":{quote(access.path)},'
        f'"repository":{quote(access.repository)},"reference":{quote(access.reference)},"status":{access.status},'
        f'"bytes_sent":{access.bytes_sent},"bytes_received":{access.bytes_received},'
        f'"duration_ms":{access.duration_ms:.3f},"user_agent":{quote(access.user_agent)}}}\n'
    )


def _console(access: Access, timestamp: str) -> str:
    repository = f" repository={_field(access.repository)}" if access.repository else ""
    reference = f" reference={_field(access.reference)}" if access.reference else ""
    return (
        f"{timestamp} {access.status} {_field(access.method)} {_field(access.path)} {access.duration_ms:.1f}ms"
        f" sent={access.bytes_sent} received={access.bytes_received} client={_field(access.client)}"
        f"{repository}{reference} agent={_quote(access.user_agent)} id={_field(access.request_id)}\n"
    )


def _quote(text: str) -> str:
    return encode_basestring_ascii(well_formed(text))


def _field(text: str) -> str:
    return text if _is_bare(text) else _quote(text)
