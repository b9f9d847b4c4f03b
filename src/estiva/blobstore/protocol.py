# SPDX-License-Identifier: Apache-2.0
"""The store's contract: objects of bytes under keys that are never used twice.

Rules that every store keeps (one contract suite checks them):

1. A key names one generation of bytes (`new_key`); it is written, finished, read, deleted, and never reused
   (invariant 3 of ARCHITECTURE.md).
2. What `Writer.settle` or `finish` has returned from survives a power cut (invariant 2).
3. One writer at a time: a second one is refused with ObjectBusy until the first is closed or its process dies.
4. A reader that is open goes on reading although the object is deleted meanwhile.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeAlias

from estiva.errors import StorageUnavailable

Piece: TypeAlias = bytes | bytearray | memoryview


class ObjectMissing(StorageUnavailable):
    """The store has no such object, or fewer bytes of it than were acknowledged."""


class ObjectBusy(StorageUnavailable):
    """Another writer holds the object."""


@dataclass(frozen=True, slots=True)
class Space:
    """Room in the store, in bytes; `None` where the store has no bound."""

    free: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Glance:
    """What can be told of an object at once: its size, and its first bytes."""

    size: int
    content: bytes


def new_key() -> str:
    """Return a key that was never used: two hex digits to spread directories, then a random UUID."""
    name = uuid.uuid4().hex
    return f"{name[:2]}/{name}"


async def holds(store: "BlobStore", key: str, size: int) -> bool:
    """Tell whether the object is there with as many bytes as its row says."""
    stored = await store.size(key)
    return stored is not None and stored >= size


class Writer(Protocol):
    """Appends to one object. Not shared between tasks; its methods block, so call them in a worker thread."""

    def write(self, chunks: Sequence[Piece]) -> None:
        """Append the chunks; their memory is the caller's again once this has returned.

        Raises StorageFull or StorageUnavailable; then nothing of this call counts.
        """

    def settle(self) -> None:
        """Make everything written so far survive a power cut."""

    def close(self) -> None:
        """Let go of the object; what was not settled may be lost. Closing twice is harmless."""


class Reader(Protocol):
    """Reads one object; belongs to whoever opened it, who closes it."""

    @property
    def size(self) -> int:
        """Size of the object in bytes."""

    @property
    def file(self) -> BinaryIO | None:
        """A file that the kernel can send from, or None: then read `chunks`."""

    async def fetch(self, start: int, stop: int) -> bool:
        """Have the bytes from `start` up to `stop` in memory, so that sending them from `file` blocks nobody.

        Returns whether it had to wait for them.
        """

    def chunks(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to, not including, `stop`. Raises StorageUnavailable."""

    def close(self) -> None:
        """Let go of the object."""


class BlobStore(Protocol):
    """Where bytes live."""

    async def identity(self) -> str:
        """Return the random name that the store was given when it was first used, and keeps for good."""

    async def writer(self, key: str, offset: int) -> Writer:
        """Open the object for appending at `offset`, creating it at offset 0.

        What lies beyond `offset` is overwritten. Raises ObjectBusy while another writer has it, ObjectMissing
        when fewer than `offset` bytes are there.
        """

    async def finish(self, key: str, size: int) -> None:
        """Make the object exactly `size` bytes long, and durable. Raises ObjectMissing when bytes are lacking."""

    async def reader(self, key: str) -> Reader:
        """Open the object for reading. Raises ObjectMissing."""

    def glance(self, key: str, count: int) -> Glance | None:
        """Tell the object's size, and its first `count` bytes, without waiting for a disk.

        None when that is not possible, or there are fewer: then ask in a way that waits.
        """

    async def size(self, key: str) -> int | None:
        """Return how many bytes the object has, or None when it is not there."""

    async def delete(self, key: str) -> None:
        """Remove the object; one that is absent is no error."""

    async def space(self) -> Space:
        """Tell how much room there is."""

    async def check(self) -> None:
        """Prove that the store can be written. Raises StorageUnavailable."""
