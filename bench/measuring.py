# SPDX-License-Identifier: Apache-2.0
"""What every row has, and how CPU time is taken while it is measured."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from bench.bodies import Payload
from bench.clients import Outcome
from bench.contenders import Work
from bench.plan import GIB, MIB, BenchError, Plan
from bench.results import Better, Column, Sample
from bench.servers import Server, machine_busy
from bench.shelves import Shelf

CORES = os.cpu_count() or 1


class Row(Protocol):
    """A row of the table.

    `seed` is called for each server that was started: once per contender, or before every measurement when the row
    wants a new server each time (`renewed`).
    """

    @property
    def name(self) -> str:
        """Word for the command line."""

    @property
    def title(self) -> str:
        """Heading for people."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The figures of a sample; the first is what the row is about."""

    @property
    def work(self) -> Work:
        """What a contender must be able to do."""

    @property
    def renewed(self) -> bool:
        """Whether each measurement begins with an empty server."""

    @property
    def largest(self) -> int:
        """Bytes of the largest blob."""

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store what will be asked for, check that it is answered correctly, and warm up."""

    def measure(self, server: Server) -> Sample:
        """Load the server once."""


@dataclass(slots=True)
class Stage:
    """What all rows share: the plan, and the random bytes once `prepare` was called."""

    plan: Plan
    _payload: Payload | None = None

    def prepare(self, largest: int) -> None:
        """Write the random bytes, enough for a blob of `largest` bytes."""
        self._payload = Payload.write(self.plan.directory / "payload", max(largest, MIB))

    @property
    def payload(self) -> Payload:
        """The random bytes."""
        if self._payload is None:
            raise BenchError("the stage was not prepared")
        return self._payload


class Meter:
    """Measures what a server, and everybody else, used of the CPU inside a `with` block."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.server_cpu = 0.0
        self._busy = self._elapsed = 0.0

    def __enter__(self) -> Self:
        self._server_before = self._server.cpu_seconds()
        self._busy_before, _ = machine_busy()
        self._begin = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._elapsed = time.monotonic() - self._begin
        self._busy = machine_busy()[0] - self._busy_before
        self.server_cpu = self._server.cpu_seconds() - self._server_before

    def sample(self, client_cpu: float, figures: Mapping[str, float]) -> Sample:
        """Return a sample; what was neither the server's nor the client's CPU time counts as foreign."""
        foreign = self._busy - self.server_cpu - client_cpu
        return Sample(figures=figures, foreign=max(0.0, foreign / (self._elapsed * CORES)))


STREAM_COLUMNS = (
    Column(key="rate", title="MB/s in all", better=Better.HIGHER, shown=True),
    Column(key="cpu", title="CPU-s per GiB", shown=True),
    Column(key="client", title="client CPU-s per GiB"),
)


def stream_sample(meter: Meter, outcome: Outcome, size: int) -> Sample:
    """Return the sample of streams that moved `size` bytes in all."""
    gib = size / GIB
    figures = {
        "rate": size / 1e6 / outcome.seconds,
        "cpu": meter.server_cpu / gib,
        "client": outcome.cpu / gib,
    }
    return meter.sample(outcome.cpu, figures)
