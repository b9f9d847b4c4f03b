# SPDX-License-Identifier: Apache-2.0
"""Every store passes this suite whole."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from estiva.blobstore import BlobStore, FilesystemStore, Glance, MemoryStore, ObjectBusy, ObjectMissing, new_key


@pytest.fixture(params=["filesystem", "memory"])
def store(request, tmp_path) -> AsyncIterator[BlobStore]:
    with ThreadPoolExecutor(2) as pool:
        stores = {"filesystem": FilesystemStore.open(tmp_path, pool), "memory": MemoryStore()}
        yield stores[request.param]


async def put(store: BlobStore, content: bytes, key: str | None = None) -> str:
    key = key or new_key()
    writer = await store.writer(key, 0)
    writer.write([content])
    writer.settle()
    writer.close()
    await store.finish(key, len(content))
    return key


async def get(store: BlobStore, key: str, start: int = 0, stop: int | None = None) -> bytes:
    reader = await store.reader(key)
    try:
        return b"".join([chunk async for chunk in reader.chunks(start, reader.size if stop is None else stop)])
    finally:
        reader.close()


def test_keys_are_never_the_same_twice():
    assert len({new_key() for _ in range(1000)}) == 1000


async def test_what_was_written_is_read_back(store):
    content = bytes(range(256)) * 4096
    assert await get(store, await put(store, content)) == content


async def test_a_range_is_half_open(store):
    key = await put(store, b"0123456789")
    assert await get(store, key, 2, 5) == b"234"


async def test_an_object_may_be_empty(store):
    key = new_key()
    await store.finish(key, 0)
    assert await get(store, key) == b""


async def test_a_glance_shows_the_size_and_the_first_bytes(store):
    key = await put(store, b"0123456789")
    assert store.glance(key, 0) == Glance(10, b"")
    assert store.glance(key, 4) == Glance(10, b"0123")
    assert store.glance(key, 10) == Glance(10, b"0123456789")


async def test_a_glance_at_what_is_not_there_shows_nothing(store):
    key = await put(store, b"0123456789")
    assert store.glance(key, 11) is None
    assert store.glance(new_key(), 0) is None
    assert store.glance("../../etc/passwd", 0) is None


async def test_what_was_fetched_can_be_read(store):
    reader = await store.reader(await put(store, b"0123456789"))
    await reader.fetch(0, reader.size)
    await reader.fetch(3, 3)
    assert [chunk async for chunk in reader.chunks(2, 5)] == [b"234"]
    reader.close()


async def test_many_chunks_are_written_in_order(store):
    key = new_key()
    writer = await store.writer(key, 0)
    writer.write([b"%d," % number for number in range(3000)])
    writer.close()
    assert (await get(store, key)).split(b",")[:3000] == [b"%d" % number for number in range(3000)]


async def test_writing_goes_on_at_the_offset_and_overwrites_what_lies_beyond(store):
    key = new_key()
    writer = await store.writer(key, 0)
    writer.write([b"0123456789"])
    writer.settle()
    writer.close()
    writer = await store.writer(key, 4)
    writer.write([b"abc"])
    writer.settle()
    writer.close()
    await store.finish(key, 7)
    assert await get(store, key) == b"0123abc"


async def test_finishing_fails_when_bytes_are_lacking(store):
    key = await put(store, b"0123")
    with pytest.raises(ObjectMissing):
        await store.finish(key, 5)


async def test_writing_beyond_the_end_is_refused(store):
    key = await put(store, b"0123")
    with pytest.raises(ObjectMissing):
        await store.writer(key, 5)


async def test_a_missing_object_is_told_from_an_empty_one(store):
    with pytest.raises(ObjectMissing):
        await store.reader(new_key())
    with pytest.raises(ObjectMissing):
        await store.writer(new_key(), 1)


async def test_a_second_writer_is_refused_until_the_first_is_closed(store):
    key = new_key()
    first = await store.writer(key, 0)
    with pytest.raises(ObjectBusy):
        await store.writer(key, 0)
    first.close()
    first.close()
    (await store.writer(key, 0)).close()


async def test_a_deleted_object_is_gone_and_deleting_twice_is_harmless(store):
    key = await put(store, b"bytes")
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(ObjectMissing):
        await store.reader(key)


async def test_an_open_reader_goes_on_although_the_object_is_deleted(store):
    key = await put(store, b"bytes")
    reader = await store.reader(key)
    await store.delete(key)
    assert b"".join([chunk async for chunk in reader.chunks(0, 5)]) == b"bytes"
    reader.close()


async def test_many_objects_are_written_at_once(store):
    contents = [b"%d" % number * 1000 for number in range(50)]
    keys = await asyncio.gather(*(put(store, content) for content in contents))
    assert [await get(store, key) for key in keys] == contents


async def test_a_healthy_store_passes_its_check(store):
    await store.check()
    space = await store.space()
    assert (space.free is None) == (space.total is None)


async def test_a_store_has_a_name_that_no_other_has(store):
    identity = await store.identity()
    assert identity == await store.identity()
    assert identity != await MemoryStore().identity()
