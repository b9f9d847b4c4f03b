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
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            while not _taken(descriptor):  # noqa: ASYNC110 - another process lets go of it
                await asyncio.sleep(self._retry)
            _log.info("runs_jobs", process=os.getpid())
            await self._work()
        finally:
            os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
