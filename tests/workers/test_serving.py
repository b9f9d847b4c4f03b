# SPDX-License-Identifier: Apache-2.0
"""Several workers are one server."""

import asyncio
import os
import re
import signal
import subprocess
import time
import urllib.request
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from harness.client import connect
from harness.content import blob, digest
from harness.process import command, environment, run
from harness.raw import wire
from tests.clients.programs import needed

PING = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"
MIB = 1024  # KiB, the unit of /proc
LONG = "x" * 3000


@pytest.fixture
def end():
    """What is to be done at the end, the last first."""
    with ExitStack() as stack:
        yield stack


def until(condition):
    """Wait until a condition holds."""
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def status(pid, name):
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def files_of(pid):
    return [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]


class TestThree:
    @pytest.fixture
    def settings(self):
        return {"ESTIVA_WORKERS": "3"}

    async def test_each_accepts_connections(self, server, sockets_of):
        workers = server.worker_pids()
        assert len(workers) == 3
        before = {pid: sockets_of(pid) for pid in workers}
        async with AsyncExitStack() as stack:
            for _ in range(120):
                connection = await stack.enter_async_context(wire(server.port))
                await connection.send(PING)
                assert (await connection.answer()).status == 200
            assert all(sockets_of(pid) > before[pid] + 10 for pid in workers)

    async def test_a_chunk_may_go_to_any_of_them(self, server):
        content = blob(50_000)
        async for client in connect(server.base):
            location = await client.begin("a")
        for start in range(0, len(content), 1000):
            async for client in connect(server.base):  # a connection of its own, and so any worker
                assert (await client.patch(location, data=content[start : start + 1000])).status == 202
        async for client in connect(server.base):
            assert (await client.put(f"{location}?digest={digest(content)}")).status == 201
            assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content


async def test_nothing_crosses_the_fork(server, client):
    await client.push_blob("a", blob())
    assert status(server.pid, "Threads") == 1
    assert not [name for name in files_of(server.pid) if "estiva.db" in name or "anon_inode:[io_uring]" in name]
    for pid in server.worker_pids():
        shared = {name for name in files_of(pid) if "estiva.db" in name}
        assert shared, "each has opened the database for itself"


async def test_a_worker_is_small(server):
    assert all(status(pid, "VmRSS") < 80 * MIB for pid in server.worker_pids())


async def test_the_announcement_comes_when_all_workers_accept(server):
    assert server.output.count("listening") == 1
    assert len(server.worker_pids()) == 2


def test_auto_is_one_for_each_core_that_may_be_used(tmp_path):
    wanted = min(8, len(os.sched_getaffinity(0)))
    with running(tmp_path, "auto") as (address, _), urllib.request.urlopen(f"{address}/metrics", timeout=20) as answer:
        assert f"estiva_workers {float(wanted)}" in answer.read().decode()


@pytest.mark.parametrize("wrong", ["0", "9", "-1", "many", ""])
def test_a_number_of_workers_that_makes_no_sense_is_refused(tmp_path, wrong):
    done = run("serve", "--open", "--port", "0", "--data", tmp_path / "data", "--workers", wrong)
    assert done.returncode == 2
    assert "--workers" in done.stderr


class running:  # noqa: N801 - used like a function
    """A server whose output is a pipe."""

    def __init__(self, place, workers):
        self._arguments = command("serve", "--open", "--port", "0", "--data", place / "data", "--workers", workers)

    def __enter__(self):
        self._process = subprocess.Popen(
            self._arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        for line in self._process.stdout:
            found = re.search(rb"http://localhost:\d+", line)
            if found:
                return found[0].decode(), self._process
        raise AssertionError("the server ended")

    def __exit__(self, *error):
        self._process.terminate()
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0


async def test_lines_of_several_workers_do_not_run_into_each_other(tmp_path):
    """Through a pipe, with lines of thousands of bytes."""
    with running(tmp_path, "4") as (address, process):
        reading = asyncio.create_task(asyncio.to_thread(read_lines, process.stdout, 1200))

        async def ask(count):
            async for client in connect(address):
                for _ in range(count):
                    await client.get(f"/v2/{LONG}", headers={"User-Agent": LONG})

        await asyncio.gather(*(ask(100) for _ in range(12)))
        lines = await asyncio.wait_for(reading, 60)
    assert all(line.startswith(b"{") and line.endswith(b"}\n") and line.count(b'"event"') == 1 for line in lines)


def read_lines(stream, count):
    """Return so many access lines."""
    lines = []
    while len(lines) < count:
        line = stream.readline()
        lines += [line] if b"runs_jobs" not in line else []
    return lines


async def test_sigterm_ends_all_of_them_with_their_uploads(server, eventually):
    content = blob(200_000)
    async with AsyncExitStack() as stack:
        uploads = [await stack.enter_async_context(wire(server.port)) for _ in range(20)]
        for upload in uploads:
            path = f"/v2/a/blobs/uploads/?digest={digest(content)}"
            await upload.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(content)}\r\n")
            await upload.send("Expect: 100-continue\r\n\r\n")
            assert (await upload.answer()).status == 100
            await upload.send(content[:100_000])
        os.kill(server.pid, signal.SIGTERM)  # to the supervisor alone
        await eventually(lambda: server.log.count('"stopping"') == 2)
        for upload in uploads:
            await upload.send(content[100_000:])
            assert (await upload.answer()).status == 201
    assert await server.ended() == 0
    assert not (server.data / "estiva.db-wal").exists()


async def test_a_second_interrupt_does_not_wait(server, eventually):
    async with wire(server.port) as upload:
        await upload.send("POST /v2/a/blobs/uploads/?digest=sha256:" + "0" * 64 + " HTTP/1.1\r\nHost: a\r\n")
        await upload.send("Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        assert (await upload.answer()).status == 100
        server.signal(signal.SIGINT)
        await eventually(lambda: server.log.count('"stopping"') == 2)
        server.signal(signal.SIGINT)
        assert await server.ended(20) == 0


@pytest.mark.parametrize("ignoring", [(), ("nohup",)], ids=["by_itself", "under_nohup"])
def test_a_server_whose_terminal_is_closed_ends_unless_it_was_told_not_to_mind(tmp_path, ignoring, end):
    """SIGHUP means another thing there than from whoever administers a server."""
    ours, theirs = os.openpty()
    log = end.enter_context((tmp_path / "log").open("wb"))
    serve = command("serve", "--open", "--port", "0", "--data", tmp_path / "data")
    process = subprocess.Popen(
        [needed("setsid"), "--ctty", *ignoring, *serve], env=environment(), stdin=theirs, stdout=log, stderr=log
    )
    end.callback(process.wait, 30)
    end.callback(process.terminate)
    os.close(theirs)
    until(lambda: b"listening" in (tmp_path / "log").read_bytes())
    os.close(ours)
    ended = {(): b'"stopped"', ("nohup",): b'"listening"'}[ignoring]
    until(lambda: ended in (tmp_path / "log").read_bytes())
    assert (process.poll() is None) or not ignoring
