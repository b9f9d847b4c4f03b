# SPDX-License-Identifier: Apache-2.0
"""The workers of a server as its supervisor knows them: generations of seats, each with a worker or waiting for one."""

import os
import socket
from dataclasses import dataclass, field

from estiva.config import Settings
from estiva.options.server import AUTO, MOST_WORKERS

STEADY = 10.0  # seconds after which a worker's death has nothing to do with the death before
SHORTEST_PAUSE = 0.25  # seconds before the second start in a row
LONGEST_PAUSE = 30.0  # seconds


@dataclass(eq=False, slots=True, kw_only=True)
class Worker:
    """A process. `slot` is where its numbers stand, `holder` its name in leases; `told`: that it is to end."""

    pid: int
    channel: socket.socket
    slot: int
    holder: str
    born: float
    departed: tuple[str, ...]
    ready: bool = False
    told: bool = False


@dataclass(eq=False, slots=True)
class Seat:
    """A place for a worker; an empty one is to be filled at `due`, unless that is None. Times are of a steady clock."""

    position: int
    worker: Worker | None = None
    due: float | None = 0.0
    failures: int = 0

    def fill(self, worker: Worker) -> None:
        """Give the place to a worker."""
        self.worker, self.due = worker, None

    def vacate(self, now: float) -> float:
        """Note that the worker has died, or could not be made; return in how many seconds there is to be another."""
        worker, self.worker = self.worker, None
        if worker is not None and worker.ready and now - worker.born >= STEADY:
            self.failures = 0
        pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** (self.failures - 1)) if self.failures else 0.0
        self.failures += 1
        self.due = now + pause
        return pause


@dataclass(eq=False, slots=True)
class Generation:
    """All workers that began with the same settings; they share out so many rows of sockets among them."""

    settings: Settings
    rows: int
    seats: list[Seat] = field(init=False)

    def __post_init__(self) -> None:
        self.seats = [Seat(position) for position in range(count(self.settings))]

    @property
    def workers(self) -> list[Worker]:
        """Those that live."""
        return [seat.worker for seat in self.seats if seat.worker is not None]

    @property
    def ready(self) -> bool:
        """Whether every seat has a worker that accepts connections, or could."""
        return all(seat.worker is not None and seat.worker.ready for seat in self.seats)

    def seat_of(self, worker: Worker) -> Seat | None:
        """Return the seat of a worker, or None."""
        return next((seat for seat in self.seats if seat.worker is worker), None)

    def due(self, now: float) -> list[Seat]:
        """Return the seats that are to be filled now."""
        return [seat for seat in self.seats if seat.due is not None and seat.due <= now]


def count(settings: Settings) -> int:
    """Return how many workers the settings ask for."""
    if settings.server.workers != AUTO:
        return settings.server.workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)
