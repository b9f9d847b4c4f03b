# SPDX-License-Identifier: Apache-2.0
"""Invariant 2, as the kernel sees it: bytes, their name, the row, and only then the answer.

A process that is killed loses nothing that it has handed to the kernel, so only the order of calls tells what a power
cut would leave.
"""

import random
from pathlib import Path

import pytest

from harness.client import connect
from harness.content import Image, blob
from harness.process import serving
from harness.syscalls import SENDS, SYNCS, WRITES, stop_and_read, wrapper
from tests.clients.programs import needed

from .uploads import WITH_SESSION, Piece, in_one_request, open_session

pytestmark = pytest.mark.crash

QUIET = {"ESTIVA_STORAGE_SWEEP_EVERY": "1h"}


def first(calls, what):
    """Return the first of the calls, which must be there."""
    found = next(iter(calls), None)
    assert found is not None, f"no call: {what}"
    return found


class Record:
    """The calls of a server up to one answer: the one of that number of those that begin so."""

    def __init__(self, calls, answer, number):
        answers = [call for call in calls if call.name in SENDS and f'"HTTP/1.1 {answer}' in call.arguments]
        self.answer = answers[number]
        self.calls = [call for call in calls if call.ended < self.answer.began]

    def written(self, ending):
        """The last write to a file whose path ends so, or lies in such a directory."""
        writes = (call for call in reversed(self.calls) if call.name in WRITES and ending in call.path)
        return first(writes, f"write to {ending}")

    def synced(self, path, after):
        """The first sync of a path that began after another call had ended."""
        syncs = (call for call in self.calls if call.name in SYNCS and call.path == str(path))
        return first((call for call in syncs if call.began > after.ended), f"sync of {path} after {after}")

    def made(self, path):
        """The call that made a directory."""
        makes = (call for call in self.calls if call.name.startswith("mkdir") and f'"{path}"' in call.arguments)
        return first(makes, f"mkdir of {path}")

    def made_file(self, part):
        """The call that made a file in a directory whose path has this part."""
        opens = (call for call in self.calls if call.name == "openat" and "O_CREAT" in call.arguments)
        return first((call for call in opens if part in call.arguments), f"a new file in {part}")

    def committed(self):
        """The last write to the database's log, which has been synced since."""
        written = self.written("/estiva.db-wal")
        self.synced(written.path, after=written)
        return written


@pytest.fixture
def place(tmp_path):
    """A directory for a server's data and the record of its calls."""
    needed("strace")
    return tmp_path


async def recorded(place, use, answer, number=0):
    """Run a server, let `use` talk to it, and return what it did until it gave that answer."""
    record = place / "calls"
    async with serving(place / "data", QUIET, wrapper=wrapper(record)) as server:
        async for client in connect(server.base):
            await use(client)
        return Record(await stop_and_read(server, record), answer, number)


@pytest.mark.parametrize("push", [*WITH_SESSION, None], ids=lambda push: getattr(push, "__name__", "in_one_request"))
async def test_the_bytes_then_their_names_then_the_row_are_synced_before_the_client_hears_201(place, push):
    piece = Piece.of(blob(1_500_000))

    async def use(client):
        draw = random.Random(1)
        session = await open_session(client, "a", piece)
        answer = await (in_one_request(client, "a", piece) if push is None else push(client, session, draw))
        assert answer.status == 201

    record = await recorded(place, use, 201)
    written = record.written("/data/blobs/")
    path = Path(written.path)
    bytes_synced = record.synced(path, after=written)
    name_synced = record.synced(path.parent, after=record.made(path.parent))
    prefix_synced = record.synced(path.parent.parent, after=record.made(path.parent))
    committed = record.committed()
    assert max(bytes_synced.ended, name_synced.ended, prefix_synced.ended) < committed.began


async def test_the_name_of_an_empty_blob_is_synced_before_its_row(place):
    async def use(client):
        await client.push_blob("a", b"")

    record = await recorded(place, use, 201)
    made = record.made_file("/data/blobs/")
    prefix = Path(made.named).parent
    assert record.synced(prefix, after=made).ended < record.committed().began


async def test_a_manifest_is_synced_before_the_client_hears_201(place):
    image = Image()

    async def use(client):
        for content in image.blobs:
            await client.push_blob("a", content)
        await client.put_manifest("a", "v1", image.manifest)

    record = await recorded(place, use, "201 Created\\r\\nLocation: /v2/a/manifests/")
    assert record.committed().began > record.written("/data/blobs/").ended


async def test_a_mount_is_synced_before_the_client_hears_201(place):
    async def use(client):
        pushed = await client.push_blob("a", blob())
        await client.post(f"/v2/b/blobs/uploads/?mount={pushed}&from=a")

    record = await recorded(place, use, "201 Created\\r\\nLocation: /v2/b/blobs/")
    assert record.committed().began > record.written("/data/blobs/").ended


async def test_what_a_chunk_brought_is_synced_before_the_client_hears_202(place):
    async def use(client):
        location = await client.begin("a")
        await client.patch(location, data=blob(5000))

    record = await recorded(place, use, "202 Accepted\\r\\nLocation: /v2/a/blobs/uploads/", number=1)
    written = record.written("/data/blobs/")
    path = Path(written.path)
    recorded_row = record.written("/estiva.db-wal")
    assert record.synced(path, after=written).ended < recorded_row.began
    assert record.synced(path.parent, after=record.made(path.parent)).ended < recorded_row.began


@pytest.mark.parametrize("what", ["v1", "digest"])
async def test_a_deletion_is_synced_before_the_client_hears_202(place, what):
    image = Image()

    async def use(client):
        await client.push_image("a", image, "v1")
        await client.delete(f"/v2/a/manifests/{what.replace('digest', image.digest)}")

    record = await recorded(place, use, "202 Accepted\\r\\nContent-Length: 0")
    assert record.committed()


async def test_the_data_directory_has_a_durable_name_before_anything_is_acknowledged(place):
    async def use(client):
        await client.push_blob("a", blob())

    record = await recorded(place, use, 201)
    data = place / "data"
    assert record.synced(place, after=record.made(data)).ended < record.committed().began
    assert record.synced(data, after=record.made(data / "blobs")).ended < record.committed().began
