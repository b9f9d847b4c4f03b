# SPDX-License-Identifier: Apache-2.0
"""What is kept of a body when writing fails in its middle."""

import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from estiva.blobstore import FilesystemStore, new_key
from estiva.content.receiving import Batch, Receiver, RunningDigest
from estiva.errors import StorageFull
from estiva.oci.digests import Algorithm


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


SIZE = 100_000


async def body(released, *pieces):
    for number, piece in enumerate(pieces):
        yield Batch([piece[:10], memoryview(piece)[10:]], lambda number=number: released.append(number))


async def test_nothing_after_a_failed_write_is_written_or_counted(tmp_path, pool, monkeypatch):
    """A later batch in the place of the failed one would be a hole that the client never hears of."""
    pieces = [bytes([number]) * SIZE for number in range(4)]
    real, calls = os.pwritev, []

    def fail_once(descriptor, chunks, offset):
        calls.append(offset)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, chunks, offset)

    monkeypatch.setattr("os.pwritev", fail_once)
    key = new_key()
    writer = await FilesystemStore.open(tmp_path, pool).writer(key, 0)
    running = RunningDigest(Algorithm.SHA256)
    receiver = Receiver(writer, running, pool)
    released = []
    with pytest.raises(StorageFull):
        await receiver.take(body(released, *pieces))
    assert released == [0, 1]
    await receiver.settle()
    receiver.close()
    assert receiver.received == running.size == SIZE
    assert running.encoded() == hashlib.sha256(pieces[0]).hexdigest()
    assert (tmp_path / key).read_bytes() == pieces[0]


async def test_a_short_write_is_completed_or_does_not_count(tmp_path, pool, monkeypatch):
    real = os.pwritev
    monkeypatch.setattr("os.pwritev", lambda descriptor, chunks, offset: real(descriptor, [chunks[0][:3]], offset))
    store, key = FilesystemStore.open(tmp_path, pool), new_key()
    writer = await store.writer(key, 0)
    writer.write([b"0123456789", b"abc"])
    assert (tmp_path / key).read_bytes() == b"0123456789abc"

    def fail(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("os.pwrite", fail)
    with pytest.raises(Exception, match="storage"):
        writer.write([b"lost"])
    monkeypatch.undo()
    writer.write([b"KEPT"])
    writer.close()
    assert (tmp_path / key).read_bytes() == b"0123456789abcKEPT"
