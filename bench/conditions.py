# SPDX-License-Identifier: Apache-2.0
"""Under which conditions a run was made; names no host and no path."""

import datetime as dt
import os
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.contenders import Contender
from bench.plan import GIB, KIB, Plan

ROOT = Path(__file__).parent.parent
"""The project's directory."""

EQUAL_WORK = (
    "Everything runs on one machine over loopback; servers and clients share its cores.",
    "Plain HTTP: no TLS, no authentication (there is neither in Estiva yet).",
    "The rows of a million tags are filled past the API, and only Estiva takes part; all others are pushed.",
    "Every answer is checked once before it is measured, and every large push is looked up afterwards.",
    "Bytes are random, and every pushed blob is new to the server.",
    "A push is a POST, a PATCH in chunks of 32 KiB and an empty PUT, as docker sends it.",
    "An image asks for each blob first (HEAD), pushes it, and ends with its manifest.",
    "Reads come from the page cache, unless a row says otherwise.",
    "Before each push, everything older has been written to the disk.",
    "Logs go to a file. CPU time is that of all processes of a server, from /proc.",
    "A rate says nothing about durability: the row of durability calls tells who makes a push safe before answering.",
)
"""What holds for all contenders."""


def describe(plan: Plan, contenders: Sequence[Contender], notes: Sequence[str]) -> dict[str, Any]:
    """Return the machine, the programs, and what the run was asked to do."""
    return {
        "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        "rounds": plan.rounds,
        "scale": plan.scale,
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
            "kernel": f"{platform.system()} {platform.release()}",
            "file_system": file_system(plan.directory),
            "fdatasync_ms": round(_fdatasync_ms(plan.directory), 3),
            "python": platform.python_version(),
            "load_at_start": round(os.getloadavg()[0], 2),
        },
        "contenders": [
            {"name": each.name, "role": each.role.value, "version": each.version, "about": each.about}
            for each in contenders
        ],
        "equal_work": list(EQUAL_WORK),
        "notes": list(notes),
    }


def file_system(directory: Path) -> str:
    """Return the type of the file system that holds `directory`."""
    best = ("/", "unknown")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        mounted, kind = line.split()[1:3]
        if directory.resolve().is_relative_to(mounted) and len(mounted) >= len(best[0]):
            best = (mounted, kind)
    return best[1]


def _fdatasync_ms(directory: Path) -> float:
    """Return the median milliseconds that 4 KiB take to become durable here."""
    path = directory / "fdatasync"
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(os.urandom(4 * KIB))
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begin)
    path.unlink()
    return statistics.median(took) * 1000


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _revision() -> str:
    """Return the commit that is measured, with a mark when the tree differs from it; empty outside a checkout."""
    if not (git := shutil.which("git")):
        return ""
    told = subprocess.run(
        [git, "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip()
