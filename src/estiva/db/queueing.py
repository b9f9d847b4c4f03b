# SPDX-License-Identifier: Apache-2.0
"""How many callers may wait for a database, and who is told of it."""

from typing import Protocol

from estiva.errors import TooBusy
from estiva.telemetry.metrics import Limit

MOST = 10_000  # callers that wait, unless the settings say otherwise


class Observer(Protocol):
    """Is told what the queue of a database does, in the event loop's thread; `Metrics` is one."""

    def committed(self, jobs: int) -> None:
        """Hear of a transaction that did the work of so many callers."""

    def write_queue(self, depth: int) -> None:
        """Hear how many callers wait now."""

    def refused(self, limit: Limit) -> None:
        """Hear of a caller that was refused."""


class Unobserved:
    """The observer where nobody watches."""

    def committed(self, jobs: int) -> None:
        """Do nothing."""

    def write_queue(self, depth: int) -> None:
        """Do nothing."""

    def refused(self, limit: Limit) -> None:
        """Do nothing."""


class Room:
    """Counts who is inside: `served` callers at once are not waiting, `most` more may wait."""

    def __init__(self, most: int, observer: Observer, *, served: int = 0) -> None:
        self._most = most
        self._served = served
        self._observer = observer
        self._inside = 0

    def enter(self) -> None:
        """Count one more. Raises TooBusy when there is no room."""
        if self._inside >= self._served + self._most:
            self._observer.refused(Limit.WRITES)
            raise TooBusy("too many changes wait for the database (limits.writes); try again")
        self._count(1)

    def leave(self, count: int = 1) -> None:
        """Count so many less."""
        self._count(-count)

    def _count(self, more: int) -> None:
        self._inside += more
        self._observer.write_queue(max(0, self._inside - self._served))
