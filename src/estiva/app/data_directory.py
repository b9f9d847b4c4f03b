# SPDX-License-Identifier: Apache-2.0
"""The data directory: made, tried, and held by one server at a time.

estiva.lock     held (flock) while a server runs; names its process
estiva.db       the database, unless --database says otherwise
blobs/          objects
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from estiva.errors import DataDirectoryTaken, DataDirectoryUnusable


class DataDirectory:
    """Holds the directory until the block ends; the kernel lets go of it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._lock = -1

    @property
    def blobs(self) -> Path:
        """Where objects are kept."""
        return self._path / "blobs"

    @property
    def database(self) -> Path:
        """Where the SQLite database is, unless the settings say otherwise."""
        return self._path / "estiva.db"

    def __enter__(self) -> Self:
        try:
            self.blobs.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._path / "estiva.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise DataDirectoryUnusable(
                f"the data directory {self._path} cannot be used: {error.strerror}",
                hint="give --data a directory that this user may write to",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise DataDirectoryTaken(
                f"another Estiva server (process {holder}) uses the data directory {self._path}",
                hint="stop that server, or give this one another --data",
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)
