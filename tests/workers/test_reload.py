# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: other settings without one failed request."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.client import Client, client_session, connect
from harness.content import Image, blob, digest
from harness.raw import wire

GOOD = "workers = 2\n"


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "estiva.toml"
    file.write_text(GOOD)
    return file


@pytest.fixture
def settings(file):
    return {"ESTIVA_CONFIG": str(file), "ESTIVA_WORKERS": "", "ESTIVA_LIMITS_DRAIN_TIMEOUT": "5s"}


@asynccontextmanager
async def busy(server):
    """Clients that pull and push all the time; the statuses they see are counted. No request may fail."""
    seen, stop = Counter(), asyncio.Event()
    image = Image()
    async for client in connect(server.base):
        await client.push_image("a", image, "v1")

    async def work(act):
        async with client_session() as session:
            while not stop.is_set():
                seen[(await act(Client(server.base, session))).status] += 1

    async def pull(client):
        return await client.get("/v2/a/manifests/v1")

    async def push(client):
        content = blob(5000)
        location = await client.begin("b")
        await client.patch(location, data=content)
        return await client.put(f"{location}?digest={digest(content)}")

    working = [asyncio.create_task(work(act)) for act in (pull, pull, push, push)]
    try:
        yield seen
    finally:
        stop.set()
        await asyncio.gather(*working)


async def test_under_load_no_request_fails(server, file, reload, eventually):
    async with busy(server) as seen:
        for number in (3, 1, 2, 4):
            old = server.worker_pids()
            await reload(file, f"workers = {number}\n")
            pulls = seen[200]
            await eventually(lambda pulls=pulls: seen[200] > pulls + 20)
            await eventually(lambda old=old: not set(old) & set(server.worker_pids()))
            assert len(server.worker_pids()) == number
    assert set(seen) == {200, 201}


async def test_a_setting_takes_effect(server, client, file, reload, eventually):
    image = Image()
    await client.push_image("a", image, "v1")
    await reload(file, GOOD + "[content]\ndelete = false\n")
    await eventually(lambda: server.log.count('"retiring"') == 2)
    async for fresh in connect(server.base):
        assert (await fresh.delete("/v2/a/manifests/v1")).status == 405


@pytest.mark.parametrize("wrong", ["nonsense = 1\n", "workers = 0\n", "this is not TOML", "limits = 3\n"])
async def test_wrong_settings_are_told_and_the_old_ones_stay(server, file, reload, eventually, wrong):
    workers = server.worker_pids()
    async with busy(server) as seen:
        await reload(file, wrong, "reload_refused")
        await eventually(lambda: seen[200] > 5 and seen[201] > 5)
    assert set(seen) == {200, 201}
    assert server.worker_pids() == workers
    await reload(file, GOOD)


async def test_what_cannot_change_is_told_and_kept(server, file, reload):
    elsewhere = server.data.with_name("elsewhere")
    await reload(file, f'{GOOD}host = "127.0.0.2"\ndatabase = "{elsewhere}"\n')
    assert '"needs_a_restart"' in server.log
    assert '"setting": "host"' in server.log
    assert '"setting": "database"' in server.log
    assert not elsewhere.exists()
    assert str(elsewhere) not in server.log, "a database may have a password"
    async for client in connect(server.base):
        assert (await client.get("/v2/")).status == 200


async def test_new_workers_that_do_not_start_leave_the_old_ones_in_place(server, client, file, reload):
    content = blob()
    await client.push_blob("a", content)
    workers = server.worker_pids()
    database, aside = server.data / "estiva.db", server.data / "aside"
    database.rename(aside)
    await reload(file, GOOD, "reload_failed")
    aside.rename(database)
    assert set(workers) <= set(server.worker_pids())
    async for fresh in connect(server.base):
        assert (await fresh.get(f"/v2/a/blobs/{digest(content)}")).body == content
    await reload(file, GOOD)


async def test_an_upload_under_way_goes_on_beyond_the_drain_timeout(server, file, reload, eventually):
    content = blob(200_000)
    await reload(file, GOOD + '[limits]\ndrain_timeout = "100ms"\n')
    async with wire(server.port) as upload:
        path = f"/v2/a/blobs/uploads/?digest={digest(content)}"
        await upload.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(content)}\r\n")
        await upload.send("Expect: 100-continue\r\n\r\n")
        assert (await upload.answer()).status == 100
        workers = server.worker_pids()
        await reload(file, GOOD)
        await eventually(lambda: len(set(workers) & set(server.worker_pids())) == 1)
        await upload.send(content)
        assert (await upload.answer()).status == 201
    await eventually(lambda: not set(workers) & set(server.worker_pids()))
    assert await server.stop() == 0


async def test_a_connection_that_is_kept_hears_that_it_is_to_be_closed(server, file, reload, eventually):
    ask = "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"
    async with AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(wire(server.port)) for _ in range(10)]
        for connection in kept:
            await connection.send(ask)
            assert (await connection.answer()).status == 200
        await reload(file, GOOD)
        await eventually(lambda: server.log.count('"retiring"') == 2)
        for connection in kept:
            await connection.send(ask)
            answer = await connection.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_several_at_once_come_down_to_the_last(server, file, eventually):
    for number in (1, 3, 2, 4, 3):
        file.write_text(f"workers = {number}\n")
        os.kill(server.pid, signal.SIGHUP)
    await eventually(lambda: len(server.worker_pids()) == 3 and server.log.count('"reloaded"') >= 1)
    assert await server.stop() == 0


async def counters(server):
    """Read every counter, on a connection of its own."""
    async with client_session() as session:
        body = (await Client(server.base, session).get("/metrics")).body.decode()
    families = text_string_to_metric_families(body)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if family.type in {"counter", "histogram"} and not sample.name.endswith("_created")
    }


async def test_no_counter_ever_goes_back(server, file, reload, eventually):
    """Across kills and reloads, whichever worker is asked."""
    seen = {}

    async def look():
        nonlocal seen
        now = await counters(server)
        assert {key: (value, now.get(key)) for key, value in seen.items() if now.get(key, -1) < value} == {}
        seen = now

    async def look_on(until):
        while not until.done():
            await look()

    async with busy(server):
        for number in range(3):
            await eventually(lambda: len(server.worker_pids()) >= 2)
            reloading = asyncio.create_task(reload(file, f"workers = {2 + number % 2}\n"))
            await look_on(reloading)
            await reloading
    for deaths in range(1, 4):
        await eventually(lambda: len(server.worker_pids()) == 2)  # those of earlier settings are gone
        os.kill(server.worker_pids()[0], signal.SIGKILL)
        for _ in range(10):
            await look()
        await eventually(lambda deaths=deaths: server.log.count("worker_died") == deaths)
    await look()
    assert seen["estiva_worker_deaths_total",] == 3
    assert seen["process_cpu_seconds_total",] > 0
