# SPDX-License-Identifier: Apache-2.0
"""The numbers of one process, and how those of several become one.

Counters go on where the process before stopped, so that none ever goes back; gauges belong to a process and end with
it.
"""

import msgspec

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds; a pull from memory takes less than the first, a push of gigabytes more than the last."""


class Latency(msgspec.Struct, array_like=True):
    """How many requests ended within each bound, the last being none, and what they took together, in seconds."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0


class Counters(msgspec.Struct, array_like=True):
    """What only grows."""

    requests: dict[tuple[str, str, int], int] = {}
    latencies: dict[str, Latency] = {}
    faults: dict[str, int] = {}
    refused: dict[str, int] = {}
    received: int = 0
    sent: int = 0
    commits: int = 0
    writes: int = 0
    stalls: int = 0
    deaths: int = 0
    cpu: float = 0.0  # seconds of processor time


class Gauges(msgspec.Struct, array_like=True):
    """What goes up and down."""

    workers: int = 0
    in_flight: int = 0
    uploads: int = 0
    connections: int = 0
    buffers: int = 0
    queue: int = 0
    lag: float = 0.0  # seconds


class Tally(msgspec.Struct, array_like=True):
    """The numbers of the process `pid`; 0: of one that has ended."""

    counters: Counters = msgspec.field(default_factory=Counters)
    gauges: Gauges = msgspec.field(default_factory=Gauges)
    pid: int = 0


def total(tallies: list[Tally]) -> Tally:
    """Return the sum; of event loops that lag, the worst."""
    whole = Tally()
    for tally in tallies:
        _add_counters(whole.counters, tally.counters)
        lag = max(whole.gauges.lag, tally.gauges.lag)
        _add_numbers(whole.gauges, tally.gauges)
        whole.gauges.lag = lag
    return whole


def _add_counters(to: Counters, more: Counters) -> None:
    _add_numbers(to, more)
    for key, count in more.requests.items():
        to.requests[key] = to.requests.get(key, 0) + count
    for mine, theirs in ((to.faults, more.faults), (to.refused, more.refused)):
        for name, count in theirs.items():
            mine[name] = mine.get(name, 0) + count
    for endpoint, latency in more.latencies.items():
        known = to.latencies.setdefault(endpoint, Latency())
        known.counts = [ours + theirs for ours, theirs in zip(known.counts, latency.counts, strict=True)]
        known.total += latency.total


def _add_numbers(to: Counters | Gauges, more: Counters | Gauges) -> None:
    for name in to.__struct_fields__:
        value = getattr(more, name)
        if not isinstance(value, dict):
            setattr(to, name, getattr(to, name) + value)
