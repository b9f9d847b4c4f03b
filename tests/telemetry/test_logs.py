# SPDX-License-Identifier: Apache-2.0
"""The log of the program."""

import io
import json
import logging

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from estiva.options.log import LogFormat, LogLevel, LogOptions
from estiva.telemetry.forms import escape
from estiva.telemetry.logs import configure_logging


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    root, ours = logging.getLogger(), logging.getLogger("estiva")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    structlog.reset_defaults()


class Terminal(io.StringIO):
    """A stream that people read."""

    def isatty(self):
        return True


@pytest.fixture
def console():
    """Where the log goes, in the console's form."""
    stream = io.StringIO()
    configure_logging(LogOptions(format=LogFormat.CONSOLE), stream)
    return stream


@pytest.fixture
def pipe():
    """Where the log goes, in JSON."""
    stream = io.StringIO()
    configure_logging(LogOptions(format=LogFormat.JSON), stream)
    return stream


def ours():
    return structlog.get_logger("estiva.web")


def test_json_is_an_object_a_line(pipe):
    ours().warning("disk_low", free=5, path="/srv")
    [line] = pipe.getvalue().splitlines()
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "disk_low", "free": 5, "path": "/srv", "level": "warning", "logger": "estiva.web"}


def test_a_librarys_message_looks_like_ours(pipe):
    logging.getLogger("asyncio").error("task of %s failed", "someone")
    entry = json.loads(pipe.getvalue())
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "task of someone failed", "level": "error", "logger": "asyncio"}


def test_an_exception_is_a_field_in_json(pipe):
    ours().error("failed", exc_info=ValueError("broken"))
    assert json.loads(pipe.getvalue())["exception"] == "ValueError: broken"


def test_json_is_for_strict_readers_too(pipe):
    ours().info("seen \udcff", agent="\udcff\n")
    entry = msgspec.json.decode(pipe.getvalue())
    assert (entry["event"], entry["agent"]) == ("seen \\udcff", "\\udcff\n")


def test_the_console_has_no_colours_in_a_pipe(console):
    ours().info("hello", name="x")
    assert "hello" in console.getvalue()
    assert "\x1b" not in console.getvalue()


def test_the_console_has_colours_on_a_terminal():
    terminal = Terminal()
    configure_logging(LogOptions(), terminal)
    ours().info("hello")
    assert "\x1b[" in terminal.getvalue()


def test_outside_a_terminal_the_form_is_json():
    stream = io.StringIO()
    configure_logging(LogOptions(), stream)
    ours().info("hello")
    assert json.loads(stream.getvalue())["event"] == "hello"


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[2J", "\x9b2J", "\x85", "\u2028", "\u202e", "\udcff", "\x00"])
def test_what_others_wrote_can_neither_begin_a_line_nor_drive_a_terminal(console, text):
    ours().info("seen", path=text, paths=[text])
    logging.getLogger("aiohttp").error("bad %s", text)
    lines = console.getvalue().split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_a_line_of_an_exception_is_indented_so_that_it_passes_for_no_other(console):
    ours().error("failed", exc_info=ValueError("broken\n2025-11-25T12:00:00Z forged\x1b[2J"))
    first, *rest = console.getvalue().splitlines()
    assert "failed" in first
    assert rest == ["    ValueError: broken", "    2025-11-25T12:00:00Z forged\\x1b[2J"]


def test_the_level_is_a_threshold():
    stream = io.StringIO()
    configure_logging(LogOptions(level=LogLevel.WARNING), stream)
    ours().info("unheard")
    ours().warning("heard")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["heard"]


def test_libraries_speak_from_warning_on(pipe):
    logging.getLogger("alembic").info("unheard")
    logging.getLogger("alembic").warning("heard")
    assert [json.loads(line)["event"] for line in pipe.getvalue().splitlines()] == ["heard"]


def test_when_debugging_libraries_say_everything():
    stream = io.StringIO()
    configure_logging(LogOptions(level=LogLevel.DEBUG), stream)
    logging.getLogger("alembic").debug("heard")
    assert json.loads(stream.getvalue())["event"] == "heard"


def test_setting_up_again_replaces_what_was(pipe):
    later = io.StringIO()
    configure_logging(LogOptions(format=LogFormat.JSON), later)
    ours().info("hello")
    assert pipe.getvalue() == ""
    assert len(later.getvalue().splitlines()) == 1


@given(st.text())
def test_escaped_text_prints(text):
    assert escape(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_text_that_prints_is_left_alone(text):
    assert escape(text) == text
