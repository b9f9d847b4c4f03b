# SPDX-License-Identifier: Apache-2.0
"""A disk that fails for a while: strace makes system calls of a running server fail."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from harness.process import ServerProcess


@asynccontextmanager
async def failing(server: ServerProcess, call: str, error: str, path: Path | None = None) -> AsyncIterator[None]:
    """Let a system call fail until the block ends: on one path, or everywhere."""
    only = [] if path is None else ["-P", str(path)]
    rule = f"inject={call}:error={error}"
    processes = [argument for pid in server.pids() for argument in ("-p", str(pid))]
    tracer = await asyncio.create_subprocess_exec(
        *("strace", "-f", *processes, "-e", f"trace={call}", "-e", rule, *only),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert tracer.stderr is not None
    for _ in server.pids():
        said = await asyncio.wait_for(tracer.stderr.readline(), 20)
        assert b"attached" in said, said
    draining = asyncio.create_task(tracer.stderr.read())
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)  # strace lets go of the server
        await draining
        await tracer.wait()
