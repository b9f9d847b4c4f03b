# SPDX-License-Identifier: Apache-2.0
"""Bodies become objects byte for byte, however their pieces and the disk take their time."""

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from estiva.content import receiving
from estiva.content.receiving import BATCH, Receiver, RunningDigest
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


async def pieces(content, sizes):
    for size in sizes:
        yield content[:size]
        content = content[size:]
        await asyncio.sleep(0)


@pytest.mark.parametrize("sizes", [[BATCH, 1, BATCH, 1, BATCH, 1], [1, BATCH, BATCH, BATCH], [BATCH] * 4, [1] * 5])
async def test_batches_are_written_one_after_the_other_although_bytes_linger(monkeypatch, sizes):
    monkeypatch.setattr(receiving, "LINGER", 0.001)
    content = bytes(range(256)) * (sum(sizes) // 256) + bytes(sum(sizes) % 256)
    disk, running = SlowDisk(), RunningDigest(Algorithm.SHA256)
    with ThreadPoolExecutor(4) as pool:
        await Receiver(disk, running, pool).take(pieces(content, sizes))
    assert not disk.overlapped
    assert disk.content == content
    assert running.encoded() == hashlib.sha256(content).hexdigest()
