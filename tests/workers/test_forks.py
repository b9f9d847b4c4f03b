# SPDX-License-Identifier: Apache-2.0
"""Workers that cannot be made, or never come to serve: those that serve go on, and answer every connection."""

import json
import os
import resource
import signal
from pathlib import Path

import pytest

from harness.process import ServerProcess

MANY = 50
ALWAYS = ("fails",) * 100  # pauses grow: nobody sees the end of it
LISTENS = "0A"  # a state, linux/tcp_states.h


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "estiva.toml"
    file.write_text("workers = 1\n")
    return file


@pytest.fixture
def settings(file, forks):
    return forks.settings | {"ESTIVA_CONFIG": str(file), "ESTIVA_WORKERS": ""}


@pytest.fixture
def halted(server, file, forks, eventually):
    """Begin to reload, to three workers of which the last one halts; return that one."""

    async def begin():
        forks.will("works", "works", "halts")
        file.write_text("workers = 3\n")
        os.kill(server.pid, signal.SIGHUP)
        await eventually(lambda: any(map(is_stopped, server.worker_pids())))
        return next(filter(is_stopped, server.worker_pids()))

    return begin


def is_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def listening(port):
    """Count the sockets that listen on a port of 127.0.0.1."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[3] == LISTENS and int(line[1].partition(":")[2], 16) == port for line in lines)


def leave_room(pid, count):
    """Have a process open only so many more files; return what it was allowed before."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    free = [number for number in range(len(taken) + count + 1) if number not in taken]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[count], before[1]))
    return before


async def test_while_more_workers_start_the_old_ones_answer_all(server, halted, answered):
    await halted()
    assert await answered(MANY) == MANY
    assert listening(server.port) == 1


async def test_when_one_of_more_workers_does_not_start_the_old_ones_answer_all(server, halted, answered, eventually):
    os.kill(await halted(), signal.SIGKILL)
    await eventually(lambda: '"reload_failed"' in server.log)
    assert await answered(MANY) == MANY
    assert listening(server.port) == 1


async def test_after_a_failed_reload_the_next_one_to_more_workers_succeeds(server, file, halted, reload, answered):
    os.kill(await halted(), signal.SIGKILL)
    await reload(file, "workers = 3\n")
    assert listening(server.port) == 3
    assert await answered(MANY) == MANY


async def test_when_more_workers_fail_after_fewer_all_that_listens_is_answered(
    server, file, halted, reload, answered, eventually
):
    await reload(file, "workers = 2\n")
    await reload(file, "workers = 1\n")
    os.kill(await halted(), signal.SIGKILL)
    await eventually(lambda: '"reload_failed"' in server.log)
    assert await answered(MANY) == MANY
    assert listening(server.port) == 2, "what listened once may have connections that wait"


async def test_a_successor_among_the_old_ones_takes_nothing_of_the_new_ones(server, halted, answered, eventually):
    (old,) = server.worker_pids()
    stopped = await halted()
    os.kill(old, signal.SIGKILL)
    assert await answered(MANY) == MANY
    assert listening(server.port) == 1
    os.kill(stopped, signal.SIGKILL)
    await eventually(lambda: '"reload_failed"' in server.log)
    assert await answered(MANY) == MANY


async def test_without_room_for_all_sockets_a_reload_is_refused_and_changes_nothing(server, file, reload, answered):
    before = leave_room(server.pid, 3)  # each worker has two, for IPv4 and IPv6
    await reload(file, "workers = 8\n", "reload_refused")
    assert await answered(MANY) == MANY
    assert listening(server.port) == 1
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
    await reload(file, "workers = 3\n")
    assert await answered(MANY) == MANY


async def test_a_server_whose_workers_cannot_be_forked_ends(tmp_path, forks):
    forks.will(*ALWAYS)
    server = ServerProcess(tmp_path / "data", forks.settings | {"ESTIVA_WORKERS": "2"})
    try:
        assert not await server.started_or_ended()
        assert await server.ended(10) == 1, "it does not wait for what there is none of"
    finally:
        await server.kill9()
    assert "a worker does not start" in server.log
    assert "Cannot allocate memory" in server.log


async def test_the_connections_of_one_that_cannot_be_forked_again_are_taken_by_another(
    server, file, reload, forks, answered, eventually
):
    await reload(file, "workers = 2\n")
    await eventually(lambda: len(server.worker_pids()) == 2)
    forks.will(*ALWAYS)
    victim = server.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    await eventually(lambda: forks.left <= len(ALWAYS) - 5)  # pauses of seconds by now
    assert await answered(MANY) == MANY
    forks.will_work()
    await eventually(lambda: len(server.worker_pids()) == 2)


async def test_a_reload_whose_workers_cannot_be_forked_fails_and_the_next_one_succeeds(
    server, file, reload, forks, answered
):
    forks.will("works", "fails")
    await reload(file, "workers = 3\n", "reload_failed")
    assert await answered(MANY) == MANY
    failed = [entry for entry in map(json.loads, server.log.splitlines()) if entry["event"] == "worker_not_started"]
    assert [entry["error"] for entry in failed] == ["[Errno 12] Cannot allocate memory"]
    await reload(file, "workers = 3\n")
    assert await answered(MANY) == MANY
