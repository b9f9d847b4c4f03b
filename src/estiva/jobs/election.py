# SPDX-License-Identifier: Apache-2.0
"""Of the processes of a server, one runs the background jobs: the one that holds a lock.

The kernel frees the lock when its holder dies, however it dies; another process takes over at its next try.
"""

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

RETRY = 2.0  # seconds between two tries to become the one

_log = structlog.get_logger("estiva.jobs")


class Elected:
    """Waits for the lock on a file, then runs; until cancelled."""

    def __init__(self, lock: Path, work: Callable[[], Awaitable[None]], retry: float = RETRY) -> None:
        self._lock = lock
        self._work = work
        self._retry = retry

    async def run(self) -> None:
        """Try until the lock is ours, then work as long as that lasts."""
        descriptor = await self._won()
        try:
            _log.info("runs_jobs", process=os.getpid())
            await self._work()
        finally:
            os.close(descriptor)

    async def _won(self) -> int:
        while True:
            try:
                descriptor = _try(self._lock)
            except OSError as error:  # a full disk, say, which the jobs would free
                _log.warning("jobs_wait", error=str(error), file=str(self._lock))
                descriptor = None
            if descriptor is not None:
                return descriptor
            await asyncio.sleep(self._retry)


def _try(lock: Path) -> int | None:
    """Return a descriptor that holds the lock; None when another process does."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor
