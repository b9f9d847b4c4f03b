# SPDX-License-Identifier: Apache-2.0
"""What a run is asked to do."""

from dataclasses import dataclass
from pathlib import Path

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

CHUNK = 32 * KIB
"""Bytes in one chunk of a chunked upload: what Go's `io.Copy`, and so docker, hands to its HTTP client at a time."""


class BenchError(Exception):
    """Something that ends the run, said to whoever started it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run: how often, how large, and where.

    `scale` shrinks sizes, durations and counts for a trial of the harness itself; figures of a scaled run say
    nothing about a server. `directory` is temporary and holds everything that the servers store.
    """

    directory: Path
    rounds: int = 5
    scale: float = 1.0

    def size(self, full: int) -> int:
        """Return `full` bytes scaled: whole MiB, or below that at least two whole chunks."""
        scaled = full * self.scale
        return round(scaled / MIB) * MIB if scaled >= MIB else max(2, round(scaled / CHUNK)) * CHUNK

    def count(self, full: int) -> int:
        """Return `full` things scaled, at least ten."""
        return max(10, round(full * self.scale))

    def seconds(self, full: float) -> float:
        """Return a duration of `full` seconds scaled, at least a second."""
        return max(1.0, full * self.scale)


def size_text(size: int) -> str:
    """Write a number of bytes in the largest unit that keeps it whole."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"
