# SPDX-License-Identifier: Apache-2.0
"""Count the calls that make bytes durable, by strace; slow, so never in a measured run."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.plan import BenchError
from bench.servers import Server

_CALLS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"
_ATTACH_S = 10


def count(server: Server, work: Callable[[], object]) -> int:
    """Return how many durability calls `server` made while `work` ran."""
    if not (program := shutil.which("strace")):
        raise BenchError("strace is not installed: apt-get install strace")
    table = server.directory / "fsyncs.txt"
    pids = server.pids()
    command = [program, "-f", "-q", "-c", "-e", f"trace={_CALLS}", "-o", str(table)]
    command += [word for pid in pids for word in ("-p", str(pid))]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_attached(tracer, pids)
        work()
    finally:
        tracer.terminate()
        tracer.wait()
    return sum(parse(table.read_text()).values()) if table.exists() else 0


def parse(table: str) -> dict[str, int]:
    """Read the summary that `strace -c` writes; calls that were never made are missing."""
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", table, re.MULTILINE)
    return {name: int(calls) for calls, name in rows if name in _CALLS.split(",")}


def _wait_attached(tracer: subprocess.Popen[bytes], pids: list[int]) -> None:
    deadline = time.monotonic() + _ATTACH_S
    while not all(_traced(pid) for pid in pids):
        if tracer.poll() is not None or time.monotonic() > deadline:
            raise BenchError("strace could not attach (ptrace may be forbidden here)")
        time.sleep(0.02)


def _traced(pid: int) -> bool:
    tasks = Path(f"/proc/{pid}/task").glob("*/status")
    return all("TracerPid:\t0\n" not in task.read_text() for task in tasks)
