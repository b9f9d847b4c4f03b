# SPDX-License-Identifier: Apache-2.0
"""The data directory: made, tried, and held by one server at a time.

- `estiva.lock`: held (flock) while a server runs; names its supervisor
- `estiva.jobs`: held by the worker that runs the background jobs
- `estiva.db`: the database, unless --database says otherwise
- `blobs/`: objects

An SQLite database that lies elsewhere is held as well, by a lock file beside it. Whichever database it is, it knows
its directory (`pairing`), so that no second server can use it with another one.

The workers inherit what is held: it is free when the last process of the server is dead, not before. They die with
their supervisor, but that takes a moment, which the next server waits for.
"""

import fcntl
import os
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from estiva.errors import DataDirectoryTaken, DataDirectoryUnusable

PATIENCE = 1.0  # seconds that the processes of a server which was killed have to be gone
PAUSE = 0.02  # seconds between two looks


class DataDirectory:
    """Holds the directory, and `database` unless it is empty or a URL, until the block ends.

    The kernel lets go of both when the process and those that it forked are dead. Raises DataDirectoryTaken,
    DataDirectoryUnusable.
    """

    def __init__(self, path: Path, database: str = "") -> None:
        self._path = path.absolute()
        self._elsewhere = Path(database).absolute() if database and "://" not in database else None
        self._held = ExitStack()

    @property
    def blobs(self) -> Path:
        """Where objects are kept."""
        return self._path / "blobs"

    @property
    def database(self) -> Path:
        """Where the SQLite database is, unless the settings say otherwise."""
        return self._path / "estiva.db"

    @property
    def jobs(self) -> Path:
        """The lock of the worker that runs the background jobs."""
        return self._path / "estiva.jobs"

    def __enter__(self) -> Self:
        try:
            _make(self.blobs)
        except OSError as error:
            raise _unusable(self._path, error) from error
        with self._held:
            self._hold(self._path / "estiva.lock", f"the data directory {self._path}")
            if self._elsewhere is not None and self._elsewhere != self.database:
                self._hold(self._elsewhere.with_name(f"{self._elsewhere.name}.lock"), f"the database {self._elsewhere}")
            self._held = self._held.pop_all()  # kept: leaving this block must not let go
        return self

    def _hold(self, lock: Path, what: str) -> None:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise _unusable(lock.parent, error) from error
        self._held.callback(os.close, descriptor)
        try:
            _lock_soon(descriptor)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise DataDirectoryTaken(
                f"another Estiva server (process {holder}) uses {what}",
                hint="stop that server, or give this one another --data",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()


def _lock_soon(descriptor: int) -> None:
    """Take the lock. Raises BlockingIOError when it is still held after a while."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE)


def _make(directory: Path) -> None:
    """Make the directory and those above it, each under a name that survives a power cut."""
    if directory.is_dir():
        return
    _make(directory.parent)
    directory.mkdir(exist_ok=True)
    descriptor = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: OSError) -> DataDirectoryUnusable:
    return DataDirectoryUnusable(
        f"the directory {path} cannot be used: {error.strerror}", hint="give a directory that this user may write to"
    )
