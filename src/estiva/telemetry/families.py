# SPDX-License-Identifier: Apache-2.0
"""The metrics by name; their numbers written in Prometheus' text format."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from estiva import __version__
from estiva.telemetry.processes import Usage, most_descriptors
from estiva.telemetry.tally import BUCKETS, Tally

_BOUNDS = (*(str(bound) for bound in BUCKETS), "+Inf")


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
REFUSED = Family(
    "estiva_refused_total",
    "Requests and connections refused, and uploads made to wait, because a limit was reached.",
    ("limit",),
)
BUFFERS = Family("estiva_upload_buffer_bytes", "Memory in use for the bytes of uploads.")
QUEUE = Family("estiva_database_queue", "Changes that wait for the database.")
COMMITS = Family("estiva_database_commits_total", "Transactions committed that changed something.")
WRITES = Family(
    "estiva_database_writes_total", "Changes committed; several share one transaction when many arrive at once."
)
WORKERS = Family("estiva_workers", "Worker processes that serve.")
DEATHS = Family("estiva_worker_deaths_total", "Worker processes that ended without being told to.")
STALLS = Family(
    "estiva_event_loop_stalls_total", "Times that something kept an event loop from its work for more than 50 ms."
)
LAG = Family(
    "estiva_event_loop_lag_seconds",
    "How late a timer was at worst within the last second, in the worst of the workers.",
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
    WORKERS,
    DEATHS,
    STALLS,
    LAG,
    BUILD,
)


# Their names are those that every Prometheus client uses.
CPU = Family("process_cpu_seconds_total", "Processor time of all processes of the server.")
RESIDENT = Family(
    "process_resident_memory_bytes", "Resident memory, added up: what processes share counts once for each."
)
VIRTUAL = Family("process_virtual_memory_bytes", "Virtual memory, added up.")
OPEN_FILES = Family("process_open_fds", "Open file descriptors of all processes.")
MOST_FILES = Family("process_max_fds", "Most file descriptors that one process may open.")
STARTED = Family("process_start_time_seconds", "When the server started, in seconds since the epoch.")

PROCESS_FAMILIES = (CPU, RESIDENT, VIRTUAL, OPEN_FILES, MOST_FILES, STARTED)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading(Collector):
    """The numbers of a server at one moment; `free` and `size` of the storage in bytes, None where it has no bound."""

    tally: Tally
    usage: Usage
    free: int | None
    size: int | None

    def render(self) -> tuple[bytes, str]:
        """Return the text and its content type."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: names are looked after by `FAMILIES`."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield every family, for prometheus_client."""
        yield from self._requests()
        yield from self._counters()
        yield from self._gauges()
        yield from self._processes()
        build = GaugeMetricFamily(BUILD.name, BUILD.text, labels=BUILD.labels)
        build.add_metric([__version__], 1)
        yield build

    def _requests(self) -> Iterator[Metric]:
        counters = self.tally.counters
        requests = _counter(REQUESTS)
        for (endpoint, method, status), count in counters.requests.items():
            requests.add_metric([endpoint, method, str(status)], count)
        yield requests
        durations = HistogramMetricFamily(DURATION.name, DURATION.text, labels=DURATION.labels)
        for endpoint, latency in counters.latencies.items():
            buckets = list(zip(_BOUNDS, accumulate(latency.counts), strict=True))
            durations.add_metric([endpoint], buckets, latency.total)
        yield durations
        for family, counts in ((FAULTS, counters.faults), (REFUSED, counters.refused)):
            labelled = _counter(family)
            for name, count in counts.items():
                labelled.add_metric([name], count)
            yield labelled

    def _counters(self) -> Iterator[Metric]:
        counters = self.tally.counters
        yield from (_counter(RECEIVED, counters.received), _counter(SENT, counters.sent))
        yield from (_counter(COMMITS, counters.commits), _counter(WRITES, counters.writes))
        yield from (_counter(STALLS, counters.stalls), _counter(DEATHS, counters.deaths))

    def _gauges(self) -> Iterator[Metric]:
        gauges = self.tally.gauges
        yield from (_gauge(IN_FLIGHT, gauges.in_flight), _gauge(UPLOADS, gauges.uploads))
        yield from (_gauge(CONNECTIONS, gauges.connections), _gauge(WORKERS, gauges.workers))
        yield from (_gauge(BUFFERS, gauges.buffers), _gauge(QUEUE, gauges.queue), _gauge(LAG, gauges.lag))
        yield from (_gauge(FREE, self.free), _gauge(SIZE, self.size))

    def _processes(self) -> Iterator[Metric]:
        usage = self.usage
        yield _counter(CPU, self.tally.counters.cpu)
        yield from (_gauge(RESIDENT, usage.resident), _gauge(VIRTUAL, usage.virtual))
        yield from (_gauge(OPEN_FILES, usage.descriptors), _gauge(MOST_FILES, most_descriptors()))
        yield _gauge(STARTED, usage.started)


def _counter(family: Family, value: float | None = None) -> CounterMetricFamily:
    return CounterMetricFamily(family.name, family.text, value, labels=family.labels or None)


def _gauge(family: Family, value: float | None) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(family.name, family.text, labels=())
    if value is not None:
        gauge.add_metric((), value)
    return gauge
