# SPDX-License-Identifier: Apache-2.0
"""Random bytes to push, and the documents of images.

Every pushed blob is new to the server, or a server that notices known content would do less work than the others.
Only the last chunk differs: the bytes before it are hashed once, and sent from one file again and again.
"""

import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

from bench.plan import CHUNK, MIB
from bench.wire import Body
from estiva.client.content import config_document, digest_of

_OPENING = b"%x\r\n" % CHUNK
_FRAME = len(_OPENING) + CHUNK + 2


class _Hash(Protocol):
    def update(self, data: memoryview | bytes, /) -> None: ...
    def copy(self) -> Self: ...
    def hexdigest(self) -> str: ...


class Payload:
    """A file of random chunks that already carry the framing of a chunked upload."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._map = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        self._hashed: dict[int, _Hash] = {}

    @classmethod
    def write(cls, path: Path, size: int) -> Self:
        """Create the file with room for blobs of up to `size` bytes; the time goes into random bytes."""
        with path.open("wb") as file:
            for _ in range(0, size, MIB):
                block = os.urandom(MIB)
                file.writelines(_OPENING + block[at : at + CHUNK] + b"\r\n" for at in range(0, MIB, CHUNK))
        return cls(path)

    def body(self, size: int, mark: str) -> Body:
        """Return a blob of `size` bytes (whole chunks) that `mark` makes unlike any other."""
        last = size // CHUNK - 1
        tail = self._tail(last, mark)
        hasher = self._prefix(last).copy()
        hasher.update(tail)
        digest = f"sha256:{hasher.hexdigest()}"
        return Body(path=str(self.path), framed=last * _FRAME, tail=tail, digest=digest, size=size)

    def content(self, body: Body) -> Iterator[memoryview | bytes]:
        """Yield the bytes of `body` without framing."""
        for index in range(body.size // CHUNK - 1):
            yield self._chunk(index)
        yield body.tail

    def _chunk(self, index: int) -> memoryview:
        start = index * _FRAME + len(_OPENING)
        return self._map[start : start + CHUNK]

    def _tail(self, index: int, mark: str) -> bytes:
        sign = hashlib.sha256(mark.encode()).digest()
        return sign + bytes(self._chunk(index)[len(sign) :])

    def _prefix(self, chunks: int) -> _Hash:
        if chunks not in self._hashed:
            hasher = hashlib.sha256()
            for index in range(chunks):
                hasher.update(self._chunk(index))
            self._hashed[chunks] = hasher
        return self._hashed[chunks]


def small_body(data: bytes) -> Body:
    """Return a blob of at most one chunk that is held in memory."""
    return Body(tail=data, digest=digest_of(data), size=len(data))


def config_body(mark: str) -> Body:
    """Return an image configuration of about 2 KiB that `mark` makes unlike any other."""
    return small_body(config_document(mark))
