# SPDX-License-Identifier: Apache-2.0
"""The access line."""

import io
import json
import select
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.options.log import LogFormat, LogOptions
from estiva.telemetry.access import Access, AccessLog, SilentAccessLog, open_access_log

NOON = 1_764_072_000.25  # 2025-11-25T12:00:00.250Z

PULL = Access(
    request_id="0123456789abcdef",
    client="127.0.0.1",
    method="GET",
    path="/v2/library/alpine/manifests/latest",
    repository="library/alpine",
    reference="latest",
    status=200,
    bytes_sent=1234,
    bytes_received=0,
    duration_ms=1.23456,
    user_agent="docker/28.0",
)
hostile = st.text() | st.text(st.characters(categories=["Cc", "Cs", "Zl", "Zp", "Cf"]) | st.sampled_from(' "\\='))


def written(form, access):
    stream = io.StringIO()
    AccessLog(form, stream, now=lambda: NOON).write(access)
    return stream.getvalue()


def test_json_has_every_field():
    assert json.loads(written(LogFormat.JSON, PULL)) == {
        "timestamp": "2025-11-25T12:00:00.250Z",
        "event": "access",
        "request_id": "0123456789abcdef",
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/v2/library/alpine/manifests/latest",
        "repository": "library/alpine",
        "reference": "latest",
        "status": 200,
        "bytes_sent": 1234,
        "bytes_received": 0,
        "duration_ms": 1.235,
        "user_agent": "docker/28.0",
    }


def test_the_console_has_what_people_look_for_first():
    assert written(LogFormat.CONSOLE, PULL) == (
        "2025-11-25T12:00:00.250Z 200 GET /v2/library/alpine/manifests/latest 1.2ms sent=1234 received=0"
        ' client=127.0.0.1 repository=library/alpine reference=latest agent="docker/28.0" id=0123456789abcdef\n'
    )


def test_the_console_leaves_out_what_the_request_does_not_have():
    line = written(LogFormat.CONSOLE, Access(request_id="1", client="::1", method="GET", path="/v2/", status=200))
    assert line == '2025-11-25T12:00:00.250Z 200 GET /v2/ 0.0ms sent=0 received=0 client=::1 agent="" id=1\n'


@given(hostile, hostile, hostile, hostile)
@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_whatever_a_client_sends_stays_within_its_line_in_printable_ascii(form, method, path, repository, agent):
    access = Access(
        request_id="1",
        client="::1",
        method=method,
        path=path,
        repository=repository,
        reference=repository,
        status=400,
        user_agent=agent,
    )
    line = written(form, access)
    assert line.endswith("\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()


@given(hostile)
def test_json_brings_back_what_the_client_sent_for_strict_readers_too(agent):
    line = written(LogFormat.JSON, Access(request_id="1", client="", method="", path="", status=1, user_agent=agent))
    assert msgspec.json.decode(line)["user_agent"] == agent.encode("utf-8", "backslashreplace").decode()


def test_a_path_cannot_pass_for_another_field():
    line = written(LogFormat.CONSOLE, Access(request_id="1", client="", method="GET", path="/x sent=1", status=404))
    assert ' GET "/x sent=1" 0.0ms ' in line


def test_the_clock_moves_on_from_line_to_line():
    times = iter([NOON, NOON + 0.5, NOON + 60])
    stream = io.StringIO()
    log = AccessLog(LogFormat.CONSOLE, stream, now=lambda: next(times))
    for _ in range(3):
        log.write(PULL)
    stamps = [line.split()[0] for line in stream.getvalue().splitlines()]
    assert stamps == ["2025-11-25T12:00:00.250Z", "2025-11-25T12:00:00.750Z", "2025-11-25T12:01:00.250Z"]


class Terminal(io.StringIO):
    """A stream that people read."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "beginning"), [(io.StringIO(), "{"), (Terminal(), "2")], ids=["pipe", "terminal"])
def test_by_itself_the_form_suits_who_reads(stream, beginning):
    open_access_log(LogOptions(), stream).write(PULL)
    assert stream.getvalue().startswith(beginning)


def test_switched_off_nothing_is_written():
    stream = io.StringIO()
    log = open_access_log(LogOptions(access=False), stream)
    log.write(PULL)
    assert isinstance(log, SilentAccessLog)
    assert stream.getvalue() == ""


def test_a_log_that_cannot_be_written_fails_no_request():
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails too
    AccessLog(LogFormat.JSON, full).write(PULL)
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_a_closed_log_fails_no_request():
    stream = io.StringIO()
    stream.close()
    AccessLog(LogFormat.JSON, stream).write(PULL)


@given(
    access=st.builds(
        Access,
        **dict.fromkeys(["method", "path", "repository", "reference", "user_agent"], hostile),
        request_id=st.just("0123456789abcdef"),
        client=st.just("127.0.0.1"),
        status=st.just(200),
    ),
    times=st.sampled_from([1, 100, 5000]),
)
@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_line_is_short_enough_for_a_pipe_to_take_it_in_one_piece(form, access, times):
    """Several workers write to one pipe."""
    long = msgspec.structs.replace(access, path=access.path * times, user_agent=access.user_agent * times)
    line = written(form, long)
    assert len(line.encode()) <= select.PIPE_BUF
    assert line.count("\n") == 1


def test_of_a_line_that_is_too_long_the_beginning_is_kept():
    long = msgspec.structs.replace(PULL, user_agent="x" * 5000)
    entry = json.loads(written(LogFormat.JSON, long))
    assert entry["user_agent"] == f"{'x' * 500}..."
    assert entry["path"] == PULL.path
