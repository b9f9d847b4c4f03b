# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import signal
from pathlib import Path

import pytest

from harness.client import connect
from harness.process import ServerProcess
from harness.raw import wire


@pytest.fixture
def settings() -> dict[str, str]:
    """Override to serve with other settings."""
    return {}


@pytest.fixture
async def server(tmp_path, settings):
    """A running server with two workers, unless the settings say otherwise."""
    running = ServerProcess(tmp_path / "data", {"ESTIVA_WORKERS": "2", "ESTIVA_LIMITS_STALL_TIMEOUT": "1h"} | settings)
    try:
        await running.start()
        yield running
    finally:
        await running.kill9()


@pytest.fixture
async def client(server):
    async for connected in connect(server.base):
        yield connected


@pytest.fixture
def eventually():
    """Wait until a condition holds."""

    async def wait(condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def sockets_of():
    """Count the sockets that a process has open."""

    def count(pid):
        return sum(str(entry.readlink()).startswith("socket:") for entry in Path(f"/proc/{pid}/fd").iterdir())

    return count


@pytest.fixture
def reload(server, eventually):
    """Write other settings, have them read, and wait for what the log says."""

    async def write_and_signal(file, text, event="reloaded"):
        before = server.log.count(f'"{event}"')
        file.write_text(text)
        os.kill(server.pid, signal.SIGHUP)
        await eventually(lambda: server.log.count(f'"{event}"') > before)

    return write_and_signal


class Forks:
    """What becomes of the next forks of a server that has `settings`."""

    def __init__(self, directory):
        self._directory = directory
        self._told = 0
        self.settings = {"PYTHONPATH": str(Path(__file__).with_name("forks")), "TEST_FORKS": str(directory)}

    def will(self, *fates):
        """Have each of the next forks work or fail, or its child halt."""
        for fate in fates:
            self._told += 1
            (self._directory / f"{self._told:04}.{fate}").touch()

    def will_work(self):
        """Have all of them work."""
        for path in self._directory.iterdir():
            path.unlink(missing_ok=True)

    @property
    def left(self):
        """How many of those that were told are still to come."""
        return len(list(self._directory.iterdir()))


@pytest.fixture
def forks(tmp_path):
    directory = tmp_path / "forks"
    directory.mkdir()
    return Forks(directory)


@pytest.fixture
def answered(server):
    """Ask on so many new connections, and tell how many are answered; none may wait for long."""

    async def ask(count):
        good = 0
        for _ in range(count):
            async with wire(server.port) as connection:
                await connection.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
                good += (await connection.answer()).status == 200
        return good

    return ask
