# SPDX-License-Identifier: Apache-2.0
"""The clock, and the terms that run from it.

Times are integer milliseconds since the epoch (UTC), as in the database.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from estiva.options.storage import StorageOptions

Clock = Callable[[], int]


def system_clock() -> int:
    """Return the time of the machine, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The times that a transaction writes down; fixed before it begins, since it may be run again."""

    now: int
    review_at: int
    delete_at: int


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things are kept; every duration comes from the settings.

    `holder` names the process that takes leases on these terms, so that they can be freed when it is dead.
    """

    clock: Clock
    options: StorageOptions
    holder: str = ""

    def now(self) -> int:
        """Return the present time."""
        return self.clock()

    def moment(self) -> Moment:
        """Return the times for one transaction that begins now."""
        return Moment(now=self.now(), review_at=self.review_at(), delete_at=self.object_delete_at())

    def review_at(self) -> int:
        """Return when something that is unreferenced now may be looked at again (invariant 4)."""
        return self.clock() + int(self.options.review_after * 1000)

    def half_spent(self, review_at: int | None) -> bool:
        """Tell whether a term is set and half of it, or more, has passed."""
        return review_at is not None and review_at - self.clock() < self.options.review_after * 1000 / 2

    def upload_expires_at(self) -> int:
        """Return when an upload that nobody touches again expires."""
        return self.clock() + int(self.options.upload_expiry * 1000)

    def object_delete_at(self) -> int:
        """Return when the bytes of a row deleted now may go: after every download of them (invariant 15)."""
        return self.clock() + int(self.options.object_delay * 1000)
