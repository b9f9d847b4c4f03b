# SPDX-License-Identifier: Apache-2.0
"""Lines of the log are what they seem: nobody who sends a request can write one of their own."""

import asyncio
import json
import os
import re
import subprocess
import urllib.request

import pytest

from harness.client import connect
from harness.content import Image
from harness.process import command, environment
from harness.raw import wire

FORGED = '{"event":"access","status":200,"path":"/forged"}'
AGENTS = [
    f"x\t{FORGED}",
    f'x"}}{FORGED}',
    'x\\"\\n',
    "x\x85{}",
    "\xe2\x80\xa8{}",
    "é\xff\x80",
    "\x1b[2J\x1b[31mred",
    "x" * 5000,
]
PATHS = [
    "/v2/a/manifests/%0d%0a" + FORGED.replace(" ", "").replace('"', "%22"),
    "/v2/%0a%0a/manifests/v1",
    "/v2/a/manifests/v1?x=%0d%0aforged",
    '/v2/a/manifests/"forged"',
    "/v2/%e2%80%a8forged/tags/list",
    "/%1b[2Jforged",
]
MALFORMED = [
    "GET /v2/ HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n {}\r\n\r\n",
    "GET /v2/\nforged HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: a\r\nUser-Agent: x\ny\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: a\r\nUser-Agent: x\ry\r\n\r\n",
    f"{FORGED}\r\n\r\n",
]


ACCESS = re.compile(r'\{"timestamp":|\d{4}-\d\d-\d\dT')


async def ask(server, request):
    async with wire(server.port) as connection:
        await connection.send(request)
        return await connection.answer()


async def ask_everything(server):
    """Send every hostile request; return how many there were."""
    for agent in AGENTS:
        await ask(server, f"GET /v2/ HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\n\r\n")
    for path in PATHS:
        await ask(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
    for request in MALFORMED:
        assert (await ask(server, request)).status == 400
    return len(AGENTS) + len(PATHS) + len(MALFORMED)


async def access_lines(server, count):
    """Wait until so many lines are there, and return them without the announcement."""
    async with asyncio.timeout(20):
        while len(lines := after_announcement(server)) < count:
            await asyncio.sleep(0.01)
    return lines


def after_announcement(server):
    """The lines that begin as lines of the access log do, and whatever stands between them."""
    lines = server.output.splitlines()
    first = next((number for number, line in enumerate(lines) if ACCESS.match(line)), len(lines))
    return lines[first:]


class TestJson:
    @pytest.fixture
    def settings(self):
        return {"ESTIVA_LOG_FORMAT": "json", "ESTIVA_LOG_LEVEL": "debug"}

    async def test_every_line_is_one_object_and_every_request_has_one_line(self, server):
        sent = await ask_everything(server)
        entries = [json.loads(line) for line in await access_lines(server, sent)]
        assert len(entries) == sent
        assert {entry["event"] for entry in entries} == {"access"}
        assert "/forged" not in {entry["path"] for entry in entries}
        assert entries[0]["user_agent"] == AGENTS[0]
        assert all(json.loads(line) for line in server.log.splitlines())

    async def test_a_line_says_what_was_done(self, server):
        image = Image()
        async for client in connect(server.base):
            await client.push_image("team/app", image, "v1")
            answer = await client.get("/v2/team/app/manifests/v1", headers={"User-Agent": "tester/1"})
        (entry,) = (
            entry
            for entry in map(json.loads, await access_lines(server, 4))
            if entry["request_id"] == answer.headers["X-Request-Id"]
        )
        assert entry["duration_ms"] > 0
        assert {name: entry[name] for name in ("client", "method", "repository", "reference", "status")} == {
            "client": "127.0.0.1",
            "method": "GET",
            "repository": "team/app",
            "reference": "v1",
            "status": 200,
        }
        assert (entry["bytes_sent"], entry["user_agent"]) == (len(image.manifest), "tester/1")


class TestConsole:
    @pytest.fixture
    def settings(self):
        return {"ESTIVA_LOG_FORMAT": "console", "ESTIVA_LOG_LEVEL": "debug"}

    async def test_every_request_has_one_line_of_printable_text(self, server):
        sent = await ask_everything(server)
        lines = await access_lines(server, sent)
        assert len(lines) == sent
        assert all(line.isprintable() for line in lines)
        assert not [line for line in lines if line.startswith("{")]


def test_a_reader_of_the_log_that_goes_away_stops_nothing(tmp_path):
    """`estiva serve | head -1` must not end the server at the next request."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        command("serve", "--open", "--port", "0", "--data", tmp_path / "data"),
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        os.close(writing)
        with os.fdopen(reading) as output:
            address = re.search(r"http://localhost:\d+", output.readline())[0]
        for _ in range(3):
            with urllib.request.urlopen(f"{address}/v2/", timeout=20) as answer:
                assert answer.status == 200
        assert server.poll() is None
    finally:
        server.terminate()
        server.communicate()
    assert server.returncode == 0
