# SPDX-License-Identifier: Apache-2.0
"""The metrics, in Prometheus' text format.

Numbers are counted in plain dictionaries and become metric families when somebody reads them: that costs a request
half a microsecond, where counters and histograms of prometheus_client, each with its lock, cost eight. So there is one
rule: call these methods in the event loop's thread only.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from estiva import __version__

# Seconds; a pull from memory takes less than the first, a push of gigabytes more than the last.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_BOUNDS = (*(str(bound) for bound in BUCKETS), "+Inf")
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
    WRITES = "writes"
    HEAD = "head"
    HEAD_TIME = "head_time"


@dataclass(frozen=True, slots=True)
class Family:
    """The name, the meaning and the labels of a metric."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


REQUESTS = Family(
    "estiva_requests_total",
    "Answered requests. Methods that the registry does not know count as `other`.",
    ("endpoint", "method", "status"),
)
DURATION = Family(
    "estiva_request_duration_seconds", "Time from a request's head to the end of its answer.", ("endpoint",)
)
RECEIVED = Family("estiva_received_bytes_total", "Bytes of request bodies.")
SENT = Family("estiva_sent_bytes_total", "Bytes of answers' bodies.")
IN_FLIGHT = Family("estiva_requests_in_flight", "Requests under way.")
UPLOADS = Family("estiva_uploads_in_flight", "Uploads whose bytes are arriving.")
CONNECTIONS = Family("estiva_connections", "Open client connections.")
FREE = Family("estiva_storage_free_bytes", "Room left in the storage; absent where it has no bound.")
SIZE = Family("estiva_storage_size_bytes", "Size of the storage; absent where it has no bound.")
FAULTS = Family("estiva_storage_errors_total", "Requests that failed because of the storage.", ("fault",))
REFUSED = Family("estiva_refused_total", "Requests and connections refused because a limit was reached.", ("limit",))
BUFFERS = Family("estiva_upload_buffer_bytes", "Memory in use for the bytes of uploads.")
QUEUE = Family("estiva_database_queue", "Changes that wait for the database.")
COMMITS = Family("estiva_database_commits_total", "Transactions committed that changed something.")
WRITES = Family(
    "estiva_database_writes_total", "Changes committed; several share one transaction when many arrive at once."
)
BUILD = Family("estiva_build_info", "Always 1; its label tells the version.", ("version",))

FAMILIES = (
    REQUESTS,
    DURATION,
    RECEIVED,
    SENT,
    IN_FLIGHT,
    UPLOADS,
    CONNECTIONS,
    FREE,
    SIZE,
    FAULTS,
    REFUSED,
    BUFFERS,
    QUEUE,
    COMMITS,
    WRITES,
    BUILD,
)


@dataclass(slots=True)
class _Latency:
    """How many requests ended within each bound, the last being none, and what they took together, in seconds."""

    counts: list[int]
    total: float = 0.0


class Metrics(Collector):
    """Counts what happens. Each instance stands alone."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._latencies: defaultdict[str, _Latency] = defaultdict(lambda: _Latency([0] * len(_BOUNDS)))
        self._received = self._sent = 0
        self._in_flight = self._uploads = self._connections = 0
        self._faults = dict.fromkeys(StorageFault, 0)
        self._refused = dict.fromkeys(Limit, 0)
        self._buffers = self._queue = self._commits = self._writes = 0
        self._free: int | None = None
        self._size: int | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def answered(self, endpoint: str, method: str, status: int, duration: float) -> None:
        """Count an answer. `endpoint` comes from a fixed set, never from the request; `duration` is in seconds."""
        self._requests[endpoint, method if method in _METHODS else "other", status] += 1
        latency = self._latencies[endpoint]
        latency.counts[bisect_left(BUCKETS, duration)] += 1
        latency.total += duration

    def transferred(self, *, received: int, sent: int) -> None:
        """Count the bytes of bodies."""
        self._received += received
        self._sent += sent

    def in_flight(self, requests: int) -> None:
        """Set the number of requests under way."""
        self._in_flight = requests

    def upload_began(self) -> None:
        """Count an upload whose bytes begin to arrive; `upload_ended` must follow."""
        self._uploads += 1

    def upload_ended(self) -> None:
        """Count the end of what `upload_began` counted."""
        self._uploads -= 1

    def connection_opened(self) -> None:
        """Count a connection; `connection_closed` must follow."""
        self._connections += 1

    def connection_closed(self) -> None:
        """Count the end of what `connection_opened` counted."""
        self._connections -= 1

    def storage_failed(self, fault: StorageFault) -> None:
        """Count a request that failed because of the storage."""
        self._faults[fault] += 1

    def refused(self, limit: Limit) -> None:
        """Count a request or a connection that was refused because of a limit."""
        self._refused[limit] += 1

    def buffers(self, bytes_in_use: int) -> None:
        """Set how much memory the bytes of uploads take."""
        self._buffers = bytes_in_use

    def write_queue(self, depth: int) -> None:
        """Set how many changes wait for the database."""
        self._queue = depth

    def committed(self, jobs: int) -> None:
        """Count a transaction that committed `jobs` changes."""
        self._commits += 1
        self._writes += jobs

    def observe_space(self, free: int | None, total: int | None) -> None:
        """Set the room in the storage, in bytes; None where it has no bound."""
        self._free, self._size = free, total

    def render(self) -> tuple[bytes, str]:
        """Return the metrics as a body and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterator[Metric]:
        """Yield every family of ours, for prometheus_client."""
        requests = _counter(REQUESTS)
        for (endpoint, method, status), count in self._requests.items():
            requests.add_metric([endpoint, method, str(status)], count)
        yield requests
        durations = HistogramMetricFamily(DURATION.name, DURATION.text, labels=DURATION.labels)
        for endpoint, latency in self._latencies.items():
            buckets = list(zip(_BOUNDS, accumulate(latency.counts), strict=True))
            durations.add_metric([endpoint], buckets, latency.total)
        yield durations
        faults = _counter(FAULTS)
        for fault, count in self._faults.items():
            faults.add_metric([fault.value], count)
        yield faults
        refused = _counter(REFUSED)
        for limit, count in self._refused.items():
            refused.add_metric([limit.value], count)
        yield refused
        yield from (_gauge(BUFFERS, self._buffers), _gauge(QUEUE, self._queue))
        yield from (_counter(COMMITS, self._commits), _counter(WRITES, self._writes))
        yield from (_counter(RECEIVED, self._received), _counter(SENT, self._sent))
        yield from (_gauge(IN_FLIGHT, self._in_flight), _gauge(UPLOADS, self._uploads))
        yield from (_gauge(CONNECTIONS, self._connections), _gauge(FREE, self._free), _gauge(SIZE, self._size))
        build = GaugeMetricFamily(BUILD.name, BUILD.text, labels=BUILD.labels)
        build.add_metric([__version__], 1)
        yield build


def _counter(family: Family, value: int | None = None) -> CounterMetricFamily:
    return CounterMetricFamily(family.name, family.text, value, labels=family.labels or None)


def _gauge(family: Family, value: int | None) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(family.name, family.text, labels=())
    if value is not None:
        gauge.add_metric((), value)
    return gauge
