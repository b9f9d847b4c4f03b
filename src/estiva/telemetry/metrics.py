# SPDX-License-Identifier: Apache-2.0
"""What a process counts.

Numbers are counted in plain dictionaries and become metric families when somebody reads them: that costs a request
half a microsecond, where counters and histograms of prometheus_client, each with its lock, cost eight. So there is one
rule: call these methods in the event loop's thread only.
"""

import os
from bisect import bisect_left
from enum import StrEnum

from estiva.telemetry.board import Board
from estiva.telemetry.families import Reading
from estiva.telemetry.processes import own_cpu, usage
from estiva.telemetry.tally import BUCKETS, Latency, Tally, total

_METHODS = frozenset({"-", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class StorageFault(StrEnum):
    """What kept the storage from doing its work."""

    FULL = "full"
    UNAVAILABLE = "unavailable"


class Limit(StrEnum):
    """A bound of `limits` that a client met."""

    CONNECTIONS = "connections"
    UPLOADS = "uploads"
    BUFFERS = "buffers"
    MANIFESTS = "manifests"
    WRITES = "writes"
    HEAD = "head"
    HEAD_TIME = "head_time"


class Metrics:
    """Counts what happens in this process, and tells what happened in all that share the board.

    It goes on from the counters of whoever had the slot before. Without a board the process stands alone.
    """

    def __init__(self, board: Board | None = None, slot: int = 0) -> None:
        self._board = board or Board(1)
        self._slot = slot
        self._tally = Tally(counters=self._board.read(slot).counters, pid=os.getpid())
        self._counters, self._gauges = self._tally.counters, self._tally.gauges
        self._counters.faults = dict.fromkeys(map(str, StorageFault), 0) | self._counters.faults
        self._counters.refused = dict.fromkeys(map(str, Limit), 0) | self._counters.refused
        self._cpu_before = self._counters.cpu  # this process's own begins at 0
        self._worst_lag = 0.0
        self._free: int | None = None
        self._size: int | None = None

    def answered(self, endpoint: str, method: str, status: int, duration: float) -> None:
        """Count an answer. `endpoint` comes from a fixed set, never from the request; `duration` is in seconds."""
        key = (endpoint, method if method in _METHODS else "other", status)
        requests = self._counters.requests
        requests[key] = requests.get(key, 0) + 1
        latency = self._counters.latencies.get(endpoint)
        if latency is None:
            latency = self._counters.latencies[endpoint] = Latency()
        latency.counts[bisect_left(BUCKETS, duration)] += 1
        latency.total += duration

    def transferred(self, *, received: int, sent: int) -> None:
        """Count the bytes of bodies."""
        self._counters.received += received
        self._counters.sent += sent

    def in_flight(self, requests: int) -> None:
        """Set the number of requests under way."""
        self._gauges.in_flight = requests

    def upload_began(self) -> None:
        """Count an upload whose bytes begin to arrive; `upload_ended` must follow."""
        self._gauges.uploads += 1

    def upload_ended(self) -> None:
        """Count the end of what `upload_began` counted."""
        self._gauges.uploads -= 1

    def connection_opened(self) -> None:
        """Count a connection; `connection_closed` must follow."""
        self._gauges.connections += 1

    def connection_closed(self) -> None:
        """Count the end of what `connection_opened` counted."""
        self._gauges.connections -= 1

    def storage_failed(self, fault: StorageFault) -> None:
        """Count a request that failed because of the storage."""
        self._counters.faults[fault.value] += 1

    def refused(self, limit: Limit) -> None:
        """Count a request or a connection that was refused because of a limit."""
        self._counters.refused[limit.value] += 1

    def buffers(self, bytes_in_use: int) -> None:
        """Set how much memory the bytes of uploads take."""
        self._gauges.buffers = bytes_in_use

    def write_queue(self, depth: int) -> None:
        """Set how many changes wait for the database."""
        self._gauges.queue = depth

    def committed(self, jobs: int) -> None:
        """Count a transaction that committed `jobs` changes."""
        self._counters.commits += 1
        self._counters.writes += jobs

    def loop_lagged(self, late: float, *, stalled: bool) -> None:
        """Note how late the event loop was, in seconds, and whether that was too late."""
        self._worst_lag = max(self._worst_lag, late)
        self._counters.stalls += stalled

    def serving(self, workers: int) -> None:
        """Set how many workers this process is: 1 while it serves."""
        self._gauges.workers = workers

    def worker_died(self) -> None:
        """Count a worker that ended without being told to."""
        self._counters.deaths += 1

    def observe_space(self, free: int | None, size: int | None) -> None:
        """Set the room in the storage, in bytes; None where it has no bound."""
        self._free, self._size = free, size

    def publish(self) -> None:
        """Let the other processes know the numbers as they are now; to be called every second."""
        self._gauges.lag, self._worst_lag = self._worst_lag, 0.0
        self._write()

    def _write(self) -> None:
        self._counters.cpu = self._cpu_before + own_cpu()
        self._board.write(self._slot, self._tally)

    def render(self) -> tuple[bytes, str]:
        """Return the sum over all processes, as a body and its content type."""
        self._gauges.lag = max(self._gauges.lag, self._worst_lag)
        self._write()
        tallies = self._board.read_all()
        whole = total(tallies)
        pids = [tally.pid for tally in tallies if tally.pid]
        return Reading(tally=whole, usage=usage(pids), free=self._free, size=self._size).render()
