# SPDX-License-Identifier: Apache-2.0
"""Blobs have the digest and the size that they are said to have, and take little memory."""

import hashlib
import tracemalloc

import pytest

from estiva.client.chunks import Chunks
from estiva.client.content import CHUNK, SMALLEST, Blobs

MIB = 1024 * 1024
SIZES = [SMALLEST, SMALLEST + 1, CHUNK, MIB, 4 * MIB, 4 * MIB + SMALLEST, 9 * MIB + 300_001]


@pytest.mark.parametrize("size", SIZES)
def test_a_blob_is_what_its_digest_and_its_size_say(size):
    blob = Blobs(size).blob("a")
    chunks = Chunks()
    content = b"".join(piece for part in blob.parts for piece in chunks.feed(bytes(part)))

    assert chunks.done
    assert (len(content), blob.size) == (size, size)
    assert blob.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_every_blob_is_new():
    blobs = Blobs(MIB)

    assert blobs.blob("a").digest == blobs.blob("a").digest
    assert len({blobs.blob("a").digest, blobs.blob("b").digest, Blobs(MIB).blob("a").digest}) == 3


def test_a_large_blob_takes_no_more_memory_than_a_small_one():
    tracemalloc.start()
    try:
        Blobs(128 * MIB + 12345).blob("a")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 16 * MIB
