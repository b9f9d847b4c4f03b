# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from harness.process import ServerProcess


@pytest.fixture
def settings() -> dict[str, str]:
    """Override to serve with other settings."""
    return {}


@pytest.fixture
async def server(tmp_path, settings):
    """A running server of its own process."""
    running = ServerProcess(tmp_path / "data", settings)
    try:
        await running.start()
        yield running
    finally:
        await running.kill9()


@pytest.fixture
def status(server):
    """Read a line of `/proc/<pid>/status` as a number, the sum over all workers: kilobytes of memory, or a count."""

    def read_of(pid: int, name: str) -> int:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith(f"{name}:"))
        return int(line.split()[1])

    def read(name: str) -> int:
        return sum(read_of(pid, name) for pid in server.worker_pids())

    return read
