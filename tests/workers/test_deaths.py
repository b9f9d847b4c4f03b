# SPDX-License-Identifier: Apache-2.0
"""Workers and supervisors that are killed: nothing is lost, nothing wrong is stored, nobody holds the port."""

import asyncio
import json
import os
import re
import signal
from contextlib import AsyncExitStack

import pytest

from harness.audit import Stock, read_served_sqlite
from harness.client import connect
from harness.content import blob, digest
from harness.process import ServerProcess, lives
from harness.raw import wire
from tests.clients.programs import needed

MANY = 20
SIZE = 400_000
LARGE = 12_000_000
HEAD = "HTTP/1.1\r\nHost: a\r\n"


async def push_in_chunks(client, content):
    location = await client.begin("a")
    for start in range(0, len(content), 900_000):
        assert (await client.patch(location, data=content[start : start + 900_000])).status == 202
    assert (await client.put(f"{location}?digest={digest(content)}")).status == 201


async def finish_or_resume(server, location, content):
    """Finish an upload that may have been broken off, on a connection of its own."""
    async for client in connect(server.base):
        async with asyncio.timeout(15):  # far below the lease of 30 seconds
            while (answer := await client.patch(location, data=b"")).status == 416:
                await asyncio.sleep(0.02)
        assert answer.status == 202, answer
        kept = int(answer.headers["Range"].removeprefix("0-")) + 1
        start = kept if kept > 1 else 0
        headers = {"Content-Range": f"{start}-{len(content) - 1}"} if start < len(content) else {}
        answer = await client.put(f"{location}?digest={digest(content)}", data=content[start:], headers=headers)
        assert answer.status == 201, answer
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content


async def push_broken_off(connection, location, content):
    """Send the rest of a chunk; the worker may be dead."""
    try:
        await connection.send(content[SIZE // 2 :])
        return (await connection.answer()).status
    except (EOFError, ConnectionError):
        return None


async def read_download(connection, content):
    """Read to the end, and return whether all came; what came must be right."""
    received = await connection.rest()
    _, _, body = received.partition(b"\r\n\r\n")
    assert content.startswith(body[: len(content)])
    return len(body) == len(content)


async def test_a_worker_killed_in_the_middle_of_uploads_and_downloads(server, client, eventually):
    large = blob(1_000_000) * (LARGE // 1_000_000)
    await push_in_chunks(client, large)
    contents = [blob(SIZE) for _ in range(MANY)]
    locations = [await client.begin("a") for _ in range(MANY)]
    async with AsyncExitStack() as stack:
        uploads = [await stack.enter_async_context(wire(server.port)) for _ in range(MANY)]
        downloads = [await stack.enter_async_context(wire(server.port)) for _ in range(MANY)]
        for connection, location, content in zip(uploads, locations, contents, strict=True):
            await connection.send(f"PATCH {location} {HEAD}Content-Length: {SIZE}\r\n\r\n", content[: SIZE // 2])
        for connection in downloads:
            await connection.send(f"GET /v2/a/blobs/{digest(large)} {HEAD}Connection: close\r\n\r\n")
        victim = server.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        sent = zip(uploads, locations, contents, strict=True)
        told = await asyncio.gather(*(push_broken_off(*upload) for upload in sent))
        whole = await asyncio.gather(*(read_download(connection, large) for connection in downloads))
        assert set(told) == {202, None}, "some met the dead worker, some the other"
        assert True in whole
    await asyncio.gather(*(finish_or_resume(server, *upload) for upload in zip(locations, contents, strict=True)))
    await eventually(lambda: len(server.worker_pids()) == 2)
    assert victim not in server.worker_pids()
    assert Stock(read_served_sqlite(server.data / "estiva.db"), server.data / "blobs", set()).faults() == []


async def test_the_sessions_of_the_only_worker_can_be_resumed_at_once_too(tmp_path):
    server = ServerProcess(tmp_path / "data", {"ESTIVA_WORKERS": "1"})
    try:
        await server.start()
        content = blob(SIZE)
        async for client in connect(server.base):
            location = await client.begin("a")
        async with wire(server.port) as connection:
            await connection.send(f"PATCH {location} {HEAD}Content-Length: {SIZE}\r\nExpect: 100-continue\r\n\r\n")
            assert (await connection.answer()).status == 100
            await connection.send(content[: SIZE // 2])
            (victim,) = server.worker_pids()
            os.kill(victim, signal.SIGKILL)
            assert await connection.closed()
        await finish_or_resume(server, location, content)
    finally:
        await server.kill9()


async def test_connections_that_wait_on_a_dead_worker_are_answered_by_its_successor(server):
    """They wait on its socket, which the supervisor keeps."""
    victims = server.worker_pids()
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    async with AsyncExitStack() as stack:
        waiting = [await stack.enter_async_context(wire(server.port)) for _ in range(30)]
        for connection in waiting:
            await connection.send(f"GET /v2/ {HEAD}\r\n")
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert all([(await connection.answer()).status == 200 for connection in waiting])


@pytest.mark.parametrize("_again", range(3))
async def test_a_killed_supervisor_leaves_nobody_who_holds_port_or_data(server, client, _again):
    content = blob()
    await client.push_blob("a", content)
    workers = server.worker_pids()
    os.kill(server.pid, signal.SIGKILL)
    await server.ended()
    heir = ServerProcess(server.data, {"ESTIVA_WORKERS": "2"}, arguments=["--port", str(server.port)], logs=server.data)
    try:
        await heir.start()  # at once
        assert not any(map(lives, workers))
        assert heir.port == server.port
        async for again in connect(heir.base):
            assert (await again.get(f"/v2/a/blobs/{digest(content)}")).body == content
    finally:
        await heir.kill9()


async def test_workers_of_a_killed_supervisor_die_even_when_they_are_stopped(server, eventually):
    workers = server.worker_pids()
    os.kill(workers[0], signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    await server.ended()
    await eventually(lambda: not any(map(lives, workers)))


async def test_a_worker_that_is_told_to_end_by_somebody_else_is_replaced(server, client, eventually):
    victim = server.worker_pids()[0]
    os.kill(victim, signal.SIGTERM)
    await eventually(lambda: victim not in server.worker_pids() and len(server.worker_pids()) == 2)
    await client.push_blob("a", blob())
    assert (await server.stop()) == 0


async def test_workers_that_die_again_and_again_are_started_with_pauses_that_are_told(server, eventually):
    for deaths in range(1, 6):
        await eventually(lambda: len(server.worker_pids()) == 2)
        os.kill(max(server.worker_pids()), signal.SIGKILL)
        await eventually(lambda deaths=deaths: server.log.count("worker_died") == deaths)
    died = [entry for entry in map(json.loads, server.log.splitlines()) if entry["event"] == "worker_died"]
    assert {entry["exit_code"] for entry in died} == {-signal.SIGKILL}
    assert died[0]["again_in"] == 0
    assert max(entry["again_in"] for entry in died) >= 0.25


async def test_one_that_cannot_start_goes_on_trying_while_others_serve(server, client, eventually):
    await client.push_blob("a", blob())
    database, aside = server.data / "estiva.db", server.data / "aside"
    database.rename(aside)
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    await eventually(lambda: server.log.count("worker_died") == 4)
    async for again in connect(server.base):
        assert (await again.get("/healthz")).status == 200
    aside.rename(database)
    await eventually(lambda: len(server.worker_pids()) == 2)
    assert server.running


async def test_one_that_cannot_start_ends_a_server_that_has_not_served_yet(tmp_path):
    """Whoever started it should hear of it: no server that never answers."""
    as_orphan = [needed("strace"), "-f", "-o", "/dev/null", "-e", "inject=getppid:retval=1", "--"]
    server = ServerProcess(tmp_path / "data", {"ESTIVA_WORKERS": "2"}, wrapper=as_orphan)
    assert not await server.started_or_ended()
    assert await server.ended() == 1
    assert "a worker does not start" in server.log


class TestJobs:
    @pytest.fixture
    def settings(self):
        return {"ESTIVA_STORAGE_SWEEP_EVERY": "100ms", "ESTIVA_STORAGE_UPLOAD_EXPIRY": "1s"}

    async def test_one_worker_runs_them_and_another_takes_over_when_it_is_killed(self, server, eventually):
        for runs in range(1, 4):
            await eventually(lambda runs=runs: server.log.count("runs_jobs") == runs)
            runner = int(re.findall(r'"process": (\d+), "event": "runs_jobs"', server.log)[-1])
            assert runner in server.worker_pids()
            await an_upload_expires(server)
            assert server.log.count("runs_jobs") == runs
            os.kill(runner, signal.SIGKILL)


async def an_upload_expires(server):
    async for client in connect(server.base):
        await client.begin("a")
    async with asyncio.timeout(20):
        while read_served_sqlite(server.data / "estiva.db")["uploads"]:
            await asyncio.sleep(0.05)
