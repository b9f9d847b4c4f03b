# SPDX-License-Identifier: Apache-2.0
"""Many small requests, by wrk: two threads, whose own limit the nginx row shows."""

import json
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.plan import BenchError
from bench.wire import HOST
from estiva.client.content import MANIFEST_TYPE

CONNECTIONS = 32

_THREADS = 2
_SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What wrk saw: requests answered, seconds, milliseconds of latency, and its own CPU seconds."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu: float


def ask(port: int, targets: Sequence[str], seconds: float) -> Rate:
    """GET `targets` in turn for whole `seconds`; raise `BenchError` when any request fails."""
    with tempfile.NamedTemporaryFile("w", prefix="bench-targets-") as listed:
        listed.write("\n".join(targets) + "\n")
        listed.flush()
        extra = ["--", listed.name] if len(targets) > 1 else []
        before = _children_cpu()
        told = subprocess.run(
            [*_command(port, targets[0], seconds), *extra], capture_output=True, text=True, check=False
        )
        cpu = _children_cpu() - before
    if told.returncode:
        raise BenchError(f"wrk failed: {told.stderr or told.stdout}")
    return parse(told.stdout, cpu)


def parse(output: str, cpu: float) -> Rate:
    """Read what the script wrote at the end of `output`."""
    told = json.loads(output.strip().splitlines()[-1])
    if told["failed"] or not told["requests"]:
        raise BenchError(f"{told['failed']} of {told['requests']} requests failed")
    return Rate(
        requests=told["requests"],
        seconds=told["microseconds"] / 1e6,
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
        cpu=cpu,
    )


def _command(port: int, target: str, seconds: float) -> list[str]:
    if not (program := shutil.which("wrk")):
        raise BenchError("wrk is not installed: apt-get install wrk")
    return [
        *(program, "--threads", str(_THREADS), "--connections", str(CONNECTIONS), "--duration", f"{round(seconds)}s"),
        *("--timeout", "10s", "--header", f"Accept: {MANIFEST_TYPE}", "--script", str(_SCRIPT)),
        f"http://{HOST}:{port}{target}",
    ]


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
