# SPDX-License-Identifier: Apache-2.0
"""The log of the program: structlog's and the standard library's messages, as the same lines on one stream.

1. Everything passes one handler, so that aiohttp's and asyncio's messages look like ours.
2. Text that came from outside is escaped: by JSON, or on the console by `repr` and `forms.escape`.
3. Libraries speak from WARNING on, unless the level is DEBUG.
4. The processes of a server share the stream, and a line may be longer than what a pipe takes in one piece. So each
   line is written under a lock, in a file without a name that those which are forked inherit.
"""

import contextlib
import fcntl
import logging
import os
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from estiva.options.log import LogFormat, LogLevel, LogOptions
from estiva.telemetry.forms import escape, resolve, well_formed

_SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_logging(options: LogOptions, stream: TextIO) -> None:
    """Send every log message of this process to `stream`; what an earlier call set up is replaced."""
    root = logging.getLogger()
    ours = [known for known in root.handlers if isinstance(known, _Handler)]
    handler = _Handler(stream, ours[0].lock_file if ours else os.memfd_create("estiva-log"))
    handler.setFormatter(_formatter(resolve(options.format, stream), colors=stream.isatty()))
    for previous in ours:
        root.removeHandler(previous)
    root.addHandler(handler)
    level = logging.getLevelNamesMapping()[options.level.upper()]
    root.setLevel(level if options.level is LogLevel.DEBUG else max(level, logging.WARNING))
    logging.getLogger("estiva").setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Writes one line at a time, whichever process does."""

    def __init__(self, stream: TextIO, lock_file: int) -> None:
        super().__init__(stream)
        self.lock_file = lock_file

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. POSIX locks belong to a process, so what is inherited does for all."""
        try:
            fcntl.lockf(self.lock_file, fcntl.LOCK_EX)
            super().emit(record)
        except OSError:  # no locks, or a file that somebody closed: better a line that is cut than none
            super().emit(record)
        finally:
            with contextlib.suppress(OSError, ValueError):
                fcntl.lockf(self.lock_file, fcntl.LOCK_UN)


def _formatter(form: LogFormat, *, colors: bool) -> structlog.stdlib.ProcessorFormatter:
    finish: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if form is LogFormat.CONSOLE:
        console = structlog.dev.ConsoleRenderer(
            colors=colors, repr_native_str=True, exception_formatter=_write_traceback
        )
        finish += [_escape_event, console]
    else:
        json = structlog.processors.JSONRenderer(default=str)
        finish += [structlog.processors.format_exc_info, _mend_text, json]
    return structlog.stdlib.ProcessorFormatter(processors=finish, foreign_pre_chain=_SHARED)


def _escape_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape the message, which the console shows as it is; values pass through `repr`, which escapes."""
    event["event"] = escape(str(event["event"]))
    return event


def _mend_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep out of JSON what strict readers refuse."""
    event.update({key: well_formed(value) for key, value in event.items() if isinstance(value, str)})
    return event


def _write_traceback(stream: TextIO, error: Any) -> None:
    """Write a traceback of which every line is indented: text in an exception cannot pass for a line of the log."""
    lines = "".join(traceback.format_exception(*error)).splitlines()
    stream.write("".join(f"\n    {escape(line)}" for line in lines))
