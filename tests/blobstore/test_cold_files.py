# SPDX-License-Identifier: Apache-2.0
"""Files that the kernel does not have in memory: nobody waits for the disk in the event loop's thread."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from estiva.blobstore import FilesystemStore, new_key

SIZE = 6_000_000


def forget(path):
    """Have the kernel drop the file from memory."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def is_cold(path):
    """Whether the file's beginning would have to be read from the disk. To ask may make the kernel begin to."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return not os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture
async def cold(tmp_path, pool):
    """A store and the key of an object that is on the disk only."""
    store, key = FilesystemStore.open(tmp_path, pool), new_key()
    (tmp_path / key).write_bytes(os.urandom(SIZE))
    forget(tmp_path / key)
    if not is_cold(tmp_path / key):
        pytest.skip("this file system keeps everything in memory")
    forget(tmp_path / key)
    return store, key


async def test_a_glance_at_a_cold_file_shows_its_size_only(cold):
    store, key = cold
    assert store.glance(key, 0).size == SIZE
    assert store.glance(key, 1000) is None


async def test_what_is_cold_is_read_in_a_thread(cold, pool):
    store, key = cold
    reader = await store.reader(key)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        await reader.fetch(0, SIZE)
    reader.close()


async def test_what_was_fetched_is_in_memory(cold, pool):
    store, key = cold
    reader = await store.reader(key)
    await reader.fetch(0, SIZE)
    pool.shutdown()
    await reader.fetch(0, SIZE)
    reader.close()
