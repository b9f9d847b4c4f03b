# SPDX-License-Identifier: Apache-2.0
"""What was measured, in a form that processes can add up."""

from dataclasses import dataclass, field

_FINE = 6
"""Times are told apart to one part in 2**6."""


@dataclass(slots=True)
class Latencies:
    """How long things took, in buckets of constant relative width, so that hours fit into little memory."""

    buckets: dict[int, int] = field(default_factory=dict)
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        micros = int(seconds * 1e6)
        shift = max(0, micros.bit_length() - _FINE - 1)
        bucket = (shift << _FINE) + (micros >> shift)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.longest = max(self.longest, seconds)

    def merge(self, other: "Latencies") -> None:
        """Add what another process counted."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.longest = max(self.longest, other.longest)

    def quantile(self, share: float) -> float:
        """Return the seconds that `share` of all stayed below; 0 when nothing was counted."""
        wanted = share * sum(self.buckets.values())
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(_upper_end(bucket), self.longest)
        return 0.0


def _upper_end(bucket: int) -> float:
    """Return the greatest seconds that fall into a bucket."""
    shift = max(0, (bucket >> _FINE) - 1)
    return float(((bucket - (shift << _FINE)) + 1) << shift) / 1e6


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one process, or all, did in one phase.

    `created` are paths that a DELETE would remove again, `started` and `finished` readings of the monotonic clock,
    `busy` the share of its time that the busiest process was on a core.
    """

    done: int = 0
    bytes: int = 0
    failed: int = 0
    failure: str = ""
    latencies: Latencies = field(default_factory=Latencies)
    created: list[str] = field(default_factory=list)
    started: float = 0.0
    finished: float = 0.0
    busy: float = 0.0

    def count(self, size: int, seconds: float) -> None:
        """Count one that went well."""
        self.done += 1
        self.bytes += size
        self.latencies.add(seconds)

    def fail(self, why: str) -> None:
        """Count one that did not; the first reason is kept."""
        self.failed += 1
        self.failure = self.failure or why

    def merge(self, other: "Tally") -> None:
        """Add what another process did at the same time."""
        self.done += other.done
        self.bytes += other.bytes
        self.failed += other.failed
        self.failure = self.failure or other.failure
        self.latencies.merge(other.latencies)
        self.created += other.created
        self.started = min(self.started or other.started, other.started)
        self.finished = max(self.finished, other.finished)
        self.busy = max(self.busy, other.busy)
