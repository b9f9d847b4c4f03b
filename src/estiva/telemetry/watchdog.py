# SPDX-License-Identifier: Apache-2.0
"""How late the event loop is: whatever blocks it keeps every connection of the process waiting."""

import asyncio
import time
from collections.abc import Callable

from estiva.telemetry.metrics import Metrics

EVERY = 0.02  # seconds; a loop that is blocked for so much longer than the limit is certainly seen
STALL = 0.05  # seconds


class Watchdog:
    """Measures how late a timer of the running loop is, until stopped. `now` tells seconds of a steady clock."""

    def __init__(self, metrics: Metrics, now: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._now() + EVERY
        self._timer = self._loop.call_later(EVERY, self._look)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        late = max(0.0, self._now() - self._due)
        self._metrics.loop_lagged(late, stalled=late > STALL)
        self.start()
