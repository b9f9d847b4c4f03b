# SPDX-License-Identifier: Apache-2.0
"""What only the file system store does."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from estiva.blobstore import FilesystemStore, MemoryStore, ObjectBusy, ObjectMissing, new_key
from estiva.errors import StorageFull, StorageUnavailable


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("key", ["../../etc/passwd", "ab/../cd", "/etc/passwd", "ab/" + "G" * 32, ""])
async def test_a_key_cannot_leave_the_root(tmp_path, pool, key):
    store = FilesystemStore.open(tmp_path, pool)
    with pytest.raises(StorageUnavailable):
        await store.reader(key)


async def test_the_reserve_is_kept_free(tmp_path, pool):
    free = os.statvfs(tmp_path)
    store = FilesystemStore.open(tmp_path, pool, min_free=free.f_blocks * free.f_frsize)
    writer = await store.writer(new_key(), 0)
    with pytest.raises(StorageFull):
        writer.write([b"bytes"])
    writer.close()


async def test_memory_has_a_capacity():
    store = MemoryStore(capacity=4)
    writer = await store.writer(new_key(), 0)
    with pytest.raises(StorageFull):
        writer.write([b"bytes"])


async def test_the_death_of_a_process_frees_what_it_was_writing(tmp_path, pool):
    store = FilesystemStore.open(tmp_path, pool)
    key = new_key()
    ready = multiprocessing.get_context("spawn").Event()
    child = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path, key, ready))
    child.start()
    assert ready.wait(30)
    with pytest.raises(ObjectBusy):
        await store.writer(key, 0)
    child.kill()
    child.join()
    (await store.writer(key, 0)).close()


def _hold(root, key, ready):
    import asyncio
    import threading

    async def hold():
        with ThreadPoolExecutor(1) as pool:
            writer = await FilesystemStore(root, pool).writer(key, 0)
            writer.write([b"bytes"])
            ready.set()
            threading.Event().wait()

    asyncio.run(hold())


async def test_a_file_cut_short_is_an_error_not_an_end(tmp_path, pool):
    store = FilesystemStore.open(tmp_path, pool)
    key = new_key()
    writer = await store.writer(key, 0)
    writer.write([b"0123456789"])
    writer.close()
    reader = await store.reader(key)
    os.truncate(tmp_path / key, 4)
    with pytest.raises(ObjectMissing):
        b"".join([chunk async for chunk in reader.chunks(0, 10)])
    reader.close()


async def test_an_unwritable_root_fails_the_check(tmp_path, pool):
    store = FilesystemStore(tmp_path / "absent", pool)
    with pytest.raises(StorageUnavailable):
        await store.check()


async def test_the_name_of_a_tree_stays_with_it(tmp_path, pool):
    (tmp_path / "id.new").write_text("torn")  # by a crash
    identity = await FilesystemStore.open(tmp_path, pool).identity()
    assert await FilesystemStore(tmp_path, pool).identity() == identity == (tmp_path / "id").read_text().strip()
    assert not (tmp_path / "id.new").exists()
