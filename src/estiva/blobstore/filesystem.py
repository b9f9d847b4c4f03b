# SPDX-License-Identifier: Apache-2.0
"""Objects as files in one directory tree: `<root>/<2 hex>/<uuid hex>`; the tree's own name stands in `<root>/id`.

1. A file is written in place under its final name, so a commit moves nothing.
2. Durable means: fdatasync of the file, and fsync of each directory that got a new entry.
3. The exclusive writer is the one that holds flock on the file; the kernel frees it when a process dies.
"""

import asyncio
import ctypes
import errno
import fcntl
import functools
import os
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import BinaryIO, Self, TypeVar

from estiva.blobstore.protocol import Glance, ObjectBusy, ObjectMissing, Piece, Reader, Space, Writer
from estiva.errors import StorageFull, StorageUnavailable

T = TypeVar("T")

READ_SIZE = 256 * 1024  # bytes per read where the kernel cannot send the file by itself
PIECE = 128 * 1024  # bytes that the kernel reads ahead, and mostly drops, together (read_ahead_kb)
SCRATCH = 1024 * 1024  # bytes that one thread reads at once into the kernel's memory, and drops
IOV_MAX = 1024  # chunks per system call; Linux's limit (limits.h)
EARLY = 8 * 1024 * 1024  # bytes after which the kernel begins to write, so that little is left for the sync at the end
_SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h
_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}")
_FULL = {errno.ENOSPC, errno.EDQUOT}


def _translate(error: OSError) -> StorageFull | StorageUnavailable:
    if error.errno in _FULL:
        return StorageFull("the storage is full; free some room and send the rest again")
    return StorageUnavailable(f"the storage cannot be used: {os.strerror(error.errno or errno.EIO)}")


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _begin_to_sync(descriptor: int, start: int, stop: int) -> None:
    """Have the kernel begin to write a part of a file; that is a hint, whose failure nobody needs to know."""
    call = getattr(_libc(), "sync_file_range", None)
    if call is not None:
        call(descriptor, ctypes.c_int64(start), ctypes.c_int64(stop - start), _SYNC_FILE_RANGE_WRITE)


class FileWriter:
    """Appends to a file; see `Writer`."""

    def __init__(self, path: Path, descriptor: int, offset: int, *, min_free: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._offset = self._syncing = offset
        # From offset 0 on, the file's name may be new, or left by a writer that was cut off before it synced it.
        self._name_unsynced = offset == 0
        self._min_free = min_free

    def write(self, chunks: Sequence[Piece]) -> None:
        """Append the chunks; refused while less than the reserve would stay free."""
        size, before = sum(map(len, chunks)), self._offset
        try:
            self._keep_reserve(size)
            for first in range(0, len(chunks), IOV_MAX):
                self._write_some(chunks[first : first + IOV_MAX])
        except OSError as error:
            self._offset = before  # nothing of this call counts
            raise _translate(error) from error
        if self._offset - self._syncing >= EARLY:
            _begin_to_sync(self._descriptor, self._syncing, self._offset)
            self._syncing = self._offset

    def _keep_reserve(self, size: int) -> None:
        free = os.fstatvfs(self._descriptor)
        if free.f_bavail * free.f_frsize - size < self._min_free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _write_some(self, chunks: Sequence[Piece]) -> None:
        written = os.pwritev(self._descriptor, chunks, self._offset)
        self._offset += written
        if written == sum(map(len, chunks)):
            return
        # A short write is legal (signal, disk nearly full): go on with what is left, which then may raise.
        rest = memoryview(b"".join(chunks))[written:]
        while rest:
            written = os.pwrite(self._descriptor, rest, self._offset)
            self._offset += written
            rest = rest[written:]

    def settle(self) -> None:
        """Sync the file and, once, the directory that names it."""
        try:
            os.fdatasync(self._descriptor)
            if self._name_unsynced:
                _sync_directory(self._path.parent)
                self._name_unsynced = False
        except OSError as error:
            raise _translate(error) from error

    def close(self) -> None:
        """Close the file, which frees its lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class FileReader:
    """Reads a file; see `Reader`."""

    def __init__(self, file: BinaryIO, pool: Executor) -> None:
        self._file = file
        self._pool = pool
        self._size = os.fstat(file.fileno()).st_size

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self._size

    @property
    def file(self) -> BinaryIO | None:
        """The open file."""
        return self._file

    async def fetch(self, start: int, stop: int) -> bool:
        """Ask the kernel whether it has the bytes, here and there; if not, read them in a thread."""
        descriptor = self._file.fileno()
        if _in_memory(descriptor, start, stop):
            return False
        await asyncio.get_running_loop().run_in_executor(self._pool, _read_ahead, descriptor, start, stop)
        return True

    async def chunks(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes of the range."""
        loop = asyncio.get_running_loop()
        while start < stop:
            count = min(READ_SIZE, stop - start)
            chunk = await loop.run_in_executor(self._pool, _read_at, self._file.fileno(), count, start)
            start += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _in_memory(descriptor: int, start: int, stop: int) -> bool:
    probe = [bytearray(1)]
    try:
        return all(os.preadv(descriptor, probe, at, os.RWF_NOWAIT) for at in _probes(start, stop))
    except OSError:  # EAGAIN: it is not; EOPNOTSUPP: this file system cannot tell
        return False


def _read_ahead(descriptor: int, start: int, stop: int) -> None:
    # Advice (POSIX_FADV_WILLNEED) would spare the copying, but the kernel then reads less at once, and slower.
    scratch = [bytearray(SCRATCH)]
    try:
        while start < stop and (count := os.preadv(descriptor, scratch, start)):
            start += count
    except OSError as error:
        raise _translate(error) from error


def _probes(start: int, stop: int) -> Iterator[int]:
    """Yield the last byte of each piece."""
    yield from range(start + PIECE - 1, stop - 1, PIECE)
    if stop > start:
        yield stop - 1


def _read_at(descriptor: int, count: int, offset: int) -> bytes:
    try:
        chunk = os.pread(descriptor, count, offset)
    except OSError as error:
        raise _translate(error) from error
    if not chunk:
        raise ObjectMissing("the stored content is shorter than it should be")
    return chunk


class FilesystemStore:
    """Keeps objects under `root`; all blocking calls run in `pool`.

    `min_free` bytes of the file system are never filled by objects, so that the database beside them can still
    delete.
    """

    def __init__(self, root: Path, pool: Executor, *, min_free: int = 0) -> None:
        self._root = root
        self._prefix = f"{root}/"
        self._pool = pool
        self._min_free = min_free

    @classmethod
    def open(cls, root: Path, pool: Executor, *, min_free: int = 0) -> Self:
        """Return the store at `root` with all its directories made and durable, so that no upload has to."""
        for number in range(256):
            (root / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        _sync_directory(root)
        return cls(root, pool, min_free=min_free)

    async def identity(self) -> str:
        """Read the file that names this tree, or write it."""
        return await self._run(self._identity)

    def _identity(self) -> str:
        path = self._root / "id"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            pass
        identity, unfinished = uuid.uuid4().hex, path.with_name("id.new")
        with unfinished.open("w") as file:
            file.write(f"{identity}\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        _sync_directory(self._root)
        return identity

    async def _run(self, call: Callable[..., T], *arguments: object) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)
        except OSError as error:
            raise _translate(error) from error

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise StorageUnavailable("this is not a key of this store")
        return self._root / key

    async def writer(self, key: str, offset: int) -> Writer:
        """Open the file and take its lock."""
        return await self._run(self._open_writer, self._path(key), offset)

    def _open_writer(self, path: Path, offset: int) -> FileWriter:
        descriptor = self._open_locked(path, create=offset == 0)
        if os.fstat(descriptor).st_size < offset:
            os.close(descriptor)
            raise ObjectMissing("bytes of this upload are lost; begin it again")
        return FileWriter(path, descriptor, offset, min_free=self._min_free)

    def _open_locked(self, path: Path, *, create: bool) -> int:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o640)
        except FileNotFoundError as error:
            raise ObjectMissing("bytes of this upload are lost; begin it again") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise ObjectBusy("another client is writing to this upload") from error
            raise
        return descriptor

    async def finish(self, key: str, size: int) -> None:
        """Cut the file to `size`; what was settled is synced already."""
        await self._run(self._finish, self._path(key), size)

    def _finish(self, path: Path, size: int) -> None:
        descriptor = self._open_locked(path, create=size == 0)
        try:
            stored = os.fstat(descriptor).st_size
            if stored < size:
                raise ObjectMissing("bytes of this upload are lost; begin it again")
            if stored > size:  # left by a writer that was cut off before it settled
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
            if size == 0:  # nothing was ever settled, so nothing has synced the name yet
                _sync_directory(path.parent)
        finally:
            os.close(descriptor)

    async def reader(self, key: str) -> Reader:
        """Open the file for reading."""
        return await self._run(self._open_reader, self._path(key))

    def _open_reader(self, path: Path) -> FileReader:
        try:
            return FileReader(path.open("rb", buffering=0), self._pool)
        except FileNotFoundError as error:
            raise ObjectMissing("the bytes of this blob are lost; push it again") from error

    def glance(self, key: str, count: int) -> Glance | None:
        """Open the file and read what the kernel has of it in memory.

        Opening may have to read a directory from the disk; that is as much waiting as there can be.
        """
        if not _KEY.fullmatch(key):
            return None
        try:
            descriptor = os.open(f"{self._prefix}{key}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if not _in_memory(descriptor, 0, count):
                return None
            content = os.pread(descriptor, count, 0) if count else b""
            return Glance(os.fstat(descriptor).st_size, content) if len(content) == count else None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    async def size(self, key: str) -> int | None:
        """Ask the file system."""
        return await self._run(self._size, self._path(key))

    @staticmethod
    def _size(path: Path) -> int | None:
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None

    async def delete(self, key: str) -> None:
        """Unlink the file."""
        await self._run(self._delete, self._path(key))

    @staticmethod
    def _delete(path: Path) -> None:
        path.unlink(missing_ok=True)

    async def space(self) -> Space:
        """Ask the file system."""
        answer = await self._run(os.statvfs, self._root)
        return Space(free=answer.f_bavail * answer.f_frsize, total=answer.f_blocks * answer.f_frsize)

    async def check(self) -> None:
        """Write, and remove, a small file."""
        await self._run(self._probe)

    def _probe(self) -> None:
        probe = self._root / f".probe-{uuid.uuid4().hex}"
        try:
            probe.touch()  # no bytes: a full disk can still be read and deleted from
        finally:
            probe.unlink(missing_ok=True)
