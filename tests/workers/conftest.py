# SPDX-License-Identifier: Apache-2.0
import asyncio
from pathlib import Path

import pytest

from harness.client import connect
from harness.process import ServerProcess


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
