# SPDX-License-Identifier: Apache-2.0
"""Bodies become objects byte for byte, however their pieces and the disk take their time."""

import asyncio
import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from estiva.content.receiving import Batch, Receiver, RunningDigest
from estiva.errors import StorageUnavailable
from estiva.oci.digests import Algorithm


class SlowDisk:
    """Takes each write until somebody else writes at the same time, or for a moment."""

    def __init__(self):
        self.content = b""
        self.overlapped = False
        self._writing = threading.Lock()
        self._second = threading.Event()

    def write(self, chunks):
        if not self._writing.acquire(blocking=False):
            self.overlapped = True
            self._second.set()
            return
        try:
            self._second.wait(0.1)
            self.content += b"".join(chunks)
        finally:
            self._writing.release()

    def settle(self):
        pass

    def close(self):
        pass


async def pieces(content, sizes, held):
    for size in sizes:
        piece, content = content[:size], content[size:]
        held.append(piece)
        yield Batch([piece], partial(held.remove, piece))
        await asyncio.sleep(0)


@pytest.mark.parametrize("sizes", [[100_000, 1, 100_000, 1], [1, 1_500_000, 99_999, 524_288], [1, 2, 3, 4, 5]])
async def test_batches_are_written_one_after_the_other_and_their_memory_is_given_back(sizes):
    content = random.Random(1).randbytes(sum(sizes))
    disk, running, held = SlowDisk(), RunningDigest(Algorithm.SHA256), []
    with ThreadPoolExecutor(4) as pool:
        await Receiver(disk, running, pool).take(pieces(content, sizes, held))
    assert not disk.overlapped
    assert disk.content == content
    assert running.encoded() == hashlib.sha256(content).hexdigest()
    assert held == []


class ForgetfulDisk(SlowDisk):
    """Loses what was written, and says so once, as Linux does (fsync(2), EIO)."""

    def __init__(self):
        super().__init__()
        self.settled = 0

    def settle(self):
        self.settled += 1
        if self.settled == 1:
            raise StorageUnavailable("lost")


@pytest.mark.parametrize("small", [True, False], ids=["by the last batch", "afterwards"])
async def test_what_could_not_be_settled_never_counts_as_settled(small):
    disk = ForgetfulDisk()
    with ThreadPoolExecutor(4) as pool:
        receiver = Receiver(disk, None, pool)
        if small:
            receiver._ended = True
            with pytest.raises(StorageUnavailable):
                await receiver.take(pieces(b"x", [1], []))
        else:
            await receiver.take(pieces(b"", [], []))
            with pytest.raises(StorageUnavailable):
                await receiver.settle()
        with pytest.raises(StorageUnavailable):
            await receiver.settle()
    assert disk.settled == 1
