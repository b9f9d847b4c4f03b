# SPDX-License-Identifier: Apache-2.0
"""Spec, "Pushing blobs": every way to send one."""

import asyncio
import uuid

import pytest

from estiva.db import uploads
from harness.content import blob, digest
from harness.objects import object_files

HOUR = 3600
BOTH = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])


async def stored(client, name, content, algorithm="sha256"):
    answer = await client.get(f"/v2/{name}/blobs/{digest(content, algorithm)}")
    return answer.status == 200 and answer.body == content


async def in_pieces(*pieces):
    for piece in pieces:
        yield piece


@BOTH
async def test_post_then_put_stores_the_blob(client, algorithm):
    """Spec, "POST then PUT": 202 with a Location that holds a UUID; 201 with a pullable Location."""
    content = blob()
    location = await client.begin("team/app")
    assert uuid.UUID(location.rsplit("/", 1)[1])
    answer = await client.put(f"{location}?digest={digest(content, algorithm)}", data=content)
    assert answer.status == 201
    assert answer.headers["Docker-Content-Digest"] == digest(content, algorithm)
    assert (await client.get(answer.location)).body == content


@BOTH
async def test_a_single_post_stores_the_blob(client, algorithm):
    """Spec, "Single POST": 201 and a Location."""
    content = blob()
    answer = await client.post(f"/v2/team/app/blobs/uploads/?digest={digest(content, algorithm)}", data=content)
    assert answer.status == 201
    assert (await client.get(answer.location)).body == content


@BOTH
async def test_chunks_in_order_make_the_blob(client, algorithm):
    """Spec, "Pushing a blob in chunks": 202, Location and Range after each one."""
    content = blob(3000)
    location = (await client.post(f"/v2/a/blobs/uploads/?digest-algorithm={algorithm}")).location
    for start in (0, 1000, 2000):
        headers = {"Content-Range": f"{start}-{start + 999}"}
        answer = await client.patch(location, data=content[start : start + 1000], headers=headers)
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{start + 999}")
        location = answer.location
    assert (await client.put(f"{location}?digest={digest(content, algorithm)}")).status == 201
    assert await stored(client, "a", content, algorithm)


async def test_the_last_chunk_may_come_with_the_put(client):
    content = blob(3000)
    location = await client.begin("a")
    await client.patch(location, data=content[:2000], headers={"Content-Range": "0-1999"})
    headers = {"Content-Range": "2000-2999"}
    answer = await client.put(f"{location}?digest={digest(content)}", data=content[2000:], headers=headers)
    assert answer.status == 201
    assert await stored(client, "a", content)


async def test_one_streamed_patch_makes_the_blob(client):
    """Wire rule 17: docker sends one chunked PATCH without Content-Range, then an empty PUT, then asks with HEAD."""
    content = blob(100_000)
    location = await client.begin("a")
    answer = await client.patch(location, data=in_pieces(content[:70_000], content[70_000:]))
    assert (answer.status, answer.headers["Range"]) == (202, "0-99999")
    assert (await client.put(f"{location}?digest={digest(content)}")).status == 201
    answer = await client.head(f"/v2/a/blobs/{digest(content)}")
    assert (answer.status, answer.headers["Content-Length"]) == (200, "100000")


async def test_a_digest_of_another_algorithm_than_announced_is_computed_from_the_store(client):
    content = blob(5000)
    location = await client.begin("a")
    await client.patch(location, data=content)
    assert (await client.put(f"{location}?digest={digest(content, 'sha512')}")).status == 201
    assert await stored(client, "a", content, "sha512")


async def test_a_new_session_says_where_it_stands(client):
    """Wire rules 18, 21 and 23: `0-0` without `bytes=`, a path-only Location, Docker-Upload-UUID."""
    answer = await client.post("/v2/team/app/blobs/uploads/")
    assert answer.headers["Range"] == "0-0"
    assert answer.location == f"/v2/team/app/blobs/uploads/{answer.headers['Docker-Upload-UUID']}"


async def test_both_spellings_of_the_uploads_path_work(client):
    """Wire rule 22."""
    assert (await client.post("/v2/a/blobs/uploads")).status == 202
    assert (await client.post("/v2/a/blobs/uploads/")).status == 202


async def test_the_status_of_a_session_can_be_asked(client):
    """Spec: 204 with Location and Range."""
    location = await client.begin("a")
    await client.patch(location, data=blob(10))
    answer = await client.get(location)
    assert (answer.status, answer.headers["Range"], answer.location) == (204, "0-9", location)


async def test_a_chunk_out_of_order_is_416_and_the_upload_goes_on(client):
    """Spec: a chunk out of order MUST be 416; wire rule 24: with Location and Range."""
    content = blob(3000)
    location = await client.begin("a")
    answer = await client.patch(location, data=content[1000:2000], headers={"Content-Range": "1000-1999"})
    assert (answer.status, answer.headers["Range"], answer.location) == (416, "0-0", location)
    await client.patch(location, data=content[:1000], headers={"Content-Range": "0-999"})
    answer = await client.patch(location, data=content[:1000], headers={"Content-Range": "0-999"})
    assert (answer.status, answer.headers["Range"]) == (416, "0-999")
    answer = await client.put(
        f"{location}?digest={digest(content)}", data=content[2000:], headers={"Content-Range": "2000-2999"}
    )
    assert answer.status == 416
    answer = await client.put(
        f"{location}?digest={digest(content)}", data=content[1000:], headers={"Content-Range": "1000-2999"}
    )
    assert answer.status == 201


async def test_of_two_patches_at_one_offset_exactly_one_is_acknowledged(client):
    """Wire rule 57."""
    for _ in range(5):
        first, second = blob(200_000), blob(200_000)
        location = await client.begin("a")
        headers = {"Content-Range": "0-199999"}
        answers = await asyncio.gather(
            client.patch(location, data=first, headers=headers), client.patch(location, data=second, headers=headers)
        )
        assert sorted(answer.status for answer in answers) == [202, 416]
        winner = first if answers[0].status == 202 else second
        assert (await client.put(f"{location}?digest={digest(winner)}")).status == 201
        assert await stored(client, "a", winner)


async def test_a_session_being_written_refuses_another_client(client, registry):
    begun, going = asyncio.Event(), asyncio.Event()

    async def slow():
        yield b"first"
        begun.set()
        await going.wait()
        yield b"second"

    location = await client.begin("a")
    writing = asyncio.create_task(client.patch(location, data=slow()))
    await begun.wait()
    await leased(registry, location)
    answer = await client.put(f"{location}?digest={digest(b'firstsecond')}")
    assert (answer.status, answer.code) == (416, "BLOB_UPLOAD_INVALID")
    going.set()
    assert (await writing).status == 202
    assert (await client.put(f"{location}?digest={digest(b'firstsecond')}")).status == 201


async def leased(registry, location):
    """Wait until the server has given the session's lease to a request."""
    session = location.rsplit("/", 1)[1]
    while (await registry.db.read(uploads.get, 1, session)).lease is None:
        await asyncio.sleep(0)


async def test_a_wrong_digest_is_400_and_nothing_shows(client):
    """Wire rule 25: a second PUT must not yield a corrupt blob."""
    content, other = blob(), blob()
    location = await client.begin("a")
    answer = await client.put(f"{location}?digest={digest(other)}", data=content)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert digest(content) in answer.message
    assert (await client.put(f"{location}?digest={digest(other)}", data=b"")).status == 404
    assert not await stored(client, "a", content)
    answer = await client.post(f"/v2/a/blobs/uploads/?digest={digest(other)}", data=content)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("bad", ["md5:" + "0" * 32, "sha256:short", "sha256:" + "G" * 64, "nonsense", ""])
async def test_a_digest_that_is_malformed_or_of_an_unknown_algorithm_is_400(client, bad):
    """Spec, "Pushing blobs": such a digest SHOULD be 400."""
    location = await client.begin("a")
    answer = await client.put(f"{location}?digest={bad}", data=b"x")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert (await client.post(f"/v2/a/blobs/uploads/?digest={bad}", data=b"x")).status == 400
    assert (await client.post(f"/v2/a/blobs/uploads/?mount={bad}&from=b")).status == 400


async def test_closing_without_a_digest_is_400(client):
    answer = await client.put(await client.begin("a"), data=b"x")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_an_unknown_digest_algorithm_is_400(client):
    answer = await client.post("/v2/a/blobs/uploads/?digest-algorithm=md5")
    assert (answer.status, answer.code) == (400, "BLOB_UPLOAD_INVALID")


async def test_a_content_range_that_contradicts_the_length_is_400(client):
    location = await client.begin("a")
    answer = await client.patch(location, data=blob(10), headers={"Content-Range": "0-99"})
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")
    assert (await client.get(location)).headers["Range"] == "0-0"


async def test_a_streamed_body_that_contradicts_its_content_range_does_not_count(client):
    location = await client.begin("a")
    answer = await client.patch(location, data=in_pieces(blob(200)), headers={"Content-Range": "0-99"})
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")
    content = blob(100)
    assert (await client.patch(location, data=content, headers={"Content-Range": "0-99"})).status == 202
    assert (await client.put(f"{location}?digest={digest(content)}")).status == 201


@pytest.mark.parametrize("bad", ["x", "1-", "-1", "5-1", "0-99,200-300", "bytes=0-1", "0-" + "9" * 5000])
async def test_a_malformed_content_range_is_a_4xx(client, bad):
    answer = await client.patch(await client.begin("a"), data=b"xx", headers={"Content-Range": bad})
    assert answer.status in {400, 416}


async def test_a_cancelled_upload_is_gone(client):
    """Spec, "Cancel a blob upload": 204."""
    location = await client.begin("a")
    await client.patch(location, data=blob())
    assert (await client.delete(location)).status == 204
    for answer in (await client.get(location), await client.patch(location, data=b"x"), await client.delete(location)):
        assert answer.status == 404
    assert (await client.put(f"{location}?digest={digest(b'x')}", data=b"x")).code == "BLOB_UPLOAD_UNKNOWN"


async def test_a_session_is_unknown_in_another_repository(client):
    location = await client.begin("a")
    await client.begin("b")
    assert (await client.get(location.replace("/v2/a/", "/v2/b/"))).status == 404


async def test_asking_for_a_session_does_not_create_a_repository(client):
    answer = await client.get(f"/v2/nobody/blobs/uploads/{uuid.uuid4()}")
    assert answer.status == 404
    assert (await client.get("/v2/nobody/tags/list")).status == 404


async def test_a_zero_length_blob_is_a_blob(client):
    """Wire rule 27."""
    location = await client.begin("a")
    assert (await client.put(f"{location}?digest={digest(b'')}", data=b"")).status == 201
    answer = await client.get(f"/v2/a/blobs/{digest(b'')}")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")
    location = await client.begin("b")
    assert (await client.put(f"{location}?digest={digest(b'', 'sha512')}", data=b"")).status == 201


async def test_pushing_the_same_blob_again_is_fine(client):
    content = blob()
    for _ in range(3):
        await client.push_blob("a", content)
        await client.push_blob("b", content)
    assert await stored(client, "a", content)


async def test_the_same_blob_pushed_by_many_at_once_is_stored_once(client, registry):
    content = blob(50_000)
    await asyncio.gather(*(client.push_blob(f"r{number % 3}", content) for number in range(12)))
    await registry.sweeper.sweep()
    files = object_files(registry.data)
    assert len(files) == 1


async def test_any_location_given_for_a_session_works_and_so_does_dropping_the_query(client):
    content = blob(100)
    first = await client.begin("a")
    second = (await client.patch(first, data=content[:50])).location
    await client.patch(first, data=content[50:], headers={"Content-Range": "50-99"})
    assert (await client.put(f"{second.partition('?')[0]}?digest={digest(content)}")).status == 201


async def test_any_content_type_may_come_with_an_upload(client):
    """Wire rule 20: crane sends application/json on the POST."""
    answer = await client.post("/v2/a/blobs/uploads/", headers={"Content-Type": "application/json"})
    answer = await client.patch(answer.location, data=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status == 202


async def test_an_abandoned_upload_expires_and_frees_its_bytes(client, registry):
    location = await client.begin("a")
    await client.patch(location, data=blob(1000))
    registry.clock.advance(25 * HOUR)
    await registry.sweeper.sweep()
    assert (await client.get(location)).status == 404
    assert object_files(registry.data) == []


async def test_an_upload_that_goes_on_does_not_expire(client, registry):
    content = blob(300)
    location = await client.begin("a")
    for start in range(0, 300, 100):
        registry.clock.advance(20 * HOUR)
        await registry.sweeper.sweep()
        assert (await client.patch(location, data=content[start : start + 100])).status == 202
    assert (await client.put(f"{location}?digest={digest(content)}")).status == 201


class TestMount:
    """Spec, "Mounting a blob from another repository"."""

    async def test_a_blob_of_the_source_is_mounted(self, client):
        content = blob()
        pushed = await client.push_blob("source", content)
        answer = await client.post(f"/v2/target/blobs/uploads/?mount={pushed}&from=source")
        assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, pushed)
        assert (await client.get(answer.location)).body == content

    async def test_without_from_any_repository_will_do(self, client):
        pushed = await client.push_blob("source", blob())
        assert (await client.post(f"/v2/target/blobs/uploads/?mount={pushed}")).status == 201

    async def test_a_blob_that_is_not_there_leads_to_a_session(self, client):
        pushed = await client.push_blob("other", blob())
        for query in (f"mount={pushed}&from=source", f"mount={digest(b'nowhere')}", f"mount={pushed}&from=absent"):
            answer = await client.post(f"/v2/target/blobs/uploads/?{query}")
            assert answer.status == 202
            assert (await client.delete(answer.location)).status == 204

    async def test_a_blob_does_not_show_where_it_was_not_pushed_or_mounted(self, client):
        pushed = await client.push_blob("source", blob())
        await client.begin("elsewhere")
        assert (await client.get(f"/v2/elsewhere/blobs/{pushed}")).code == "BLOB_UNKNOWN"
        assert (await client.head(f"/v2/elsewhere/blobs/{pushed}")).status == 404

    async def test_library_and_the_bare_name_are_one_source(self, client):
        pushed = await client.push_blob("library/alpine", blob())
        assert (await client.post(f"/v2/mine/blobs/uploads/?mount={pushed}&from=alpine")).status == 201
