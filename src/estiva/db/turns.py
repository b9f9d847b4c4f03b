# SPDX-License-Identifier: Apache-2.0
"""The turn to write to an SQLite file, which processes take one after the other.

SQLite's own way of waiting for a lock is to sleep and try again: whoever has just written finds the lock free more
often than those who sleep, and may keep them waiting for seconds. `flock` wakes who waits, the longest waiting first.
The kernel frees it when its holder dies. SQLite's lock stays what keeps the file whole.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def lock_file(database: Path) -> Path:
    """Return the file whose lock is the turn."""
    return database.with_name(f"{database.name}-writer")


class Turns:
    """Takes turns with the other processes that write to the file."""

    def __init__(self, database: Path) -> None:
        self._descriptor = os.open(lock_file(database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, however long it takes, and keep it until the block ends. Raises OSError."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
