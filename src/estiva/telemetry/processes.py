# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of processes, summed over those of one server.

The names are those that every Prometheus client uses, so that dashboards find them.
"""

import os
import resource
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Usage:
    """Memory in bytes, open file descriptors, and when the first of the processes began (seconds since the epoch)."""

    resident: int = 0
    virtual: int = 0
    descriptors: int = 0
    started: float = 0.0


def usage(pids: Iterable[int]) -> Usage:
    """Add up what processes use; those that are gone use nothing."""
    whole = Usage()
    for pid in pids:
        with suppress(OSError, ValueError):
            _add(whole, pid)
    return whole


def own_cpu() -> float:
    """Return the seconds of processor time that this process has used."""
    times = os.times()
    return times.user + times.system


def most_descriptors() -> int:
    """Return how many file descriptors a process of this server may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _add(whole: Usage, pid: int) -> None:
    fields = _stat(pid)
    since_boot = int(fields[19]) / _TICKS
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot
    whole.started = min(whole.started or started, started)
    whole.virtual += int(fields[20])
    whole.resident += int(fields[21]) * _PAGE
    whole.descriptors += _descriptors(pid)


def _stat(pid: int) -> list[str]:
    """Return the fields from the third on (proc(5)); the second may hold spaces and parentheses."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _descriptors(pid: int) -> int:
    place = PROC / str(pid) / "fd"
    # The size of the directory is the number of its entries since Linux 6.2; counting ten thousand takes milliseconds.
    return place.stat().st_size or sum(1 for _ in place.iterdir())
