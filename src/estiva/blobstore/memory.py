# SPDX-License-Identifier: Apache-2.0
"""Objects in the process's memory, for tests and throw-away registries: nothing survives the process."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO

from estiva.blobstore.protocol import Glance, ObjectBusy, ObjectMissing, Piece, Reader, Space, Writer
from estiva.errors import StorageFull

READ_SIZE = 256 * 1024


class _Object:
    def __init__(self) -> None:
        self.data = bytearray()
        self.busy = False


class MemoryWriter:
    """Appends to an object in memory; see `Writer`."""

    def __init__(self, store: "MemoryStore", held: _Object, offset: int) -> None:
        self._store = store
        self._held: _Object | None = held
        self._offset = offset

    def write(self, chunks: Sequence[Piece]) -> None:
        """Append the chunks."""
        assert self._held is not None
        self._store.require(sum(map(len, chunks)))
        for chunk in chunks:
            self._held.data[self._offset : self._offset + len(chunk)] = chunk
            self._offset += len(chunk)

    def settle(self) -> None:
        """Do nothing: memory is as durable as it gets."""

    def close(self) -> None:
        """Let another writer in."""
        if self._held is not None:
            self._held.busy = False
            self._held = None


class MemoryReader:
    """Reads what an object held when it was opened; see `Reader`."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self._data)

    @property
    def file(self) -> BinaryIO | None:
        """Tell that there is no file to send from."""
        return None

    async def fetch(self, start: int, stop: int) -> bool:
        """Do nothing: all of it is in memory."""
        return False

    async def chunks(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes of the range, giving way to other tasks in between."""
        for first in range(start, stop, READ_SIZE):
            yield bytes(self._data[first : min(first + READ_SIZE, stop)])
            await asyncio.sleep(0)

    def close(self) -> None:
        """Let go of the bytes."""
        self._data.release()


class MemoryStore:
    """Keeps at most `capacity` bytes; None: as many as the machine has."""

    def __init__(self, capacity: int | None = None) -> None:
        self._objects: dict[str, _Object] = {}
        self._capacity = capacity
        self._identity = uuid.uuid4().hex

    async def identity(self) -> str:
        """Return the name of this object."""
        return self._identity

    def require(self, size: int) -> None:
        """Raise StorageFull unless `size` more bytes fit."""
        if self._capacity is not None and self._used() + size > self._capacity:
            raise StorageFull("the storage is full; free some room and send the rest again")

    def _used(self) -> int:
        return sum(len(held.data) for held in self._objects.values())

    async def writer(self, key: str, offset: int) -> Writer:
        """Open the object and mark it as being written."""
        held = self._objects.setdefault(key, _Object()) if offset == 0 else self._objects.get(key)
        if held is None or len(held.data) < offset:
            raise ObjectMissing("bytes of this upload are lost; begin it again")
        if held.busy:
            raise ObjectBusy("another client is writing to this upload")
        held.busy = True
        return MemoryWriter(self, held, offset)

    async def finish(self, key: str, size: int) -> None:
        """Cut the object to `size`."""
        held = self._objects.setdefault(key, _Object()) if size == 0 else self._objects.get(key)
        if held is None or len(held.data) < size:
            raise ObjectMissing("bytes of this upload are lost; begin it again")
        del held.data[size:]

    async def reader(self, key: str) -> Reader:
        """Open a copy of the object."""
        try:
            return MemoryReader(bytes(self._objects[key].data))
        except KeyError as error:
            raise ObjectMissing("the bytes of this blob are lost; push it again") from error

    def glance(self, key: str, count: int) -> Glance | None:
        """Look at the object."""
        held = self._objects.get(key)
        return None if held is None or len(held.data) < count else Glance(len(held.data), bytes(held.data[:count]))

    async def size(self, key: str) -> int | None:
        """Count the bytes of the object."""
        held = self._objects.get(key)
        return None if held is None else len(held.data)

    async def delete(self, key: str) -> None:
        """Forget the object."""
        self._objects.pop(key, None)

    async def space(self) -> Space:
        """Tell the room left under the capacity."""
        free = None if self._capacity is None else self._capacity - self._used()
        return Space(free=free, total=self._capacity)

    async def check(self) -> None:
        """Succeed always."""
