# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server that crashes under the registry: clear errors meanwhile, everything acknowledged afterwards."""

import asyncio

import pytest

from harness.audit import Stock, read_postgres
from harness.client import connect, tells_of_failure
from harness.content import Image, blob, digest
from harness.postgres import postgres_server
from harness.process import run, serving

pytestmark = [pytest.mark.postgresql, pytest.mark.crash]


@pytest.fixture
def postgresql(tmp_path):
    place = tmp_path / "postgresql"
    place.mkdir()
    with postgres_server(place) as running:
        running.run("ALTER SYSTEM SET synchronous_commit = on")
        running.run("SELECT pg_reload_conf()")
        yield running


@pytest.fixture
def url(postgresql):
    return postgresql.new_database()


@pytest.fixture
async def server(tmp_path, url):
    async with serving(tmp_path / "data", {"ESTIVA_DATABASE": url}) as running:
        yield running


@pytest.fixture
async def client(server):
    async for connected in connect(server.base):
        yield connected


async def test_a_second_server_with_a_directory_of_its_own_is_refused(tmp_path, url, server, client):
    await client.push_image("a", Image(), "v1")
    done = await asyncio.to_thread(
        run, "serve", "--open", "--port", "0", "--data", tmp_path / "other", settings={"ESTIVA_DATABASE": url}
    )
    assert done.returncode == 2, done
    assert "the database belongs to another data directory" in done.stderr
    assert (await client.get("/v2/a/manifests/v1")).status == 200


async def test_while_the_database_is_away_requests_fail_clearly_and_afterwards_they_do_not(postgresql, client):
    image, content = Image(), blob(5000)
    location = await client.begin("a")
    assert (await client.patch(location, data=content[:1000])).status == 202
    await client.push_image("a", image, "v1")  # syncs what was not worth a sync of its own
    postgresql.crash()
    for method, path in (
        ("GET", "/v2/a/manifests/v1"),
        ("GET", f"/v2/a/blobs/{image.digest}"),
        ("GET", "/v2/a/tags/list"),
        ("GET", "/v2/_catalog"),
        ("POST", "/v2/a/blobs/uploads/"),
        ("PATCH", location),
        ("DELETE", "/v2/a/manifests/v1"),
    ):
        assert tells_of_failure(await client.request(method, path)), (method, path)
    assert tells_of_failure(await client.put_manifest("a", "v2", image.manifest))
    assert (await client.get("/readyz")).status == 503
    assert (await client.get("/healthz")).status == 200
    postgresql.restart()
    assert (await client.get("/v2/a/manifests/v1")).body == image.manifest
    assert (await client.get("/readyz")).status == 200
    assert (await client.put_manifest("a", "v2", image.manifest)).status == 201
    offset = int((await client.get(location)).headers["Range"].removeprefix("0-")) + 1
    headers = {"Content-Range": f"{offset}-4999"}
    answer = await client.put(f"{location}?digest={digest(content)}", data=content[offset:], headers=headers)
    assert answer.status == 201, answer


async def test_what_was_acknowledged_survives_the_crash_of_the_database(postgresql, url, server, client):
    pushed = {}

    async def push(number):
        while True:
            image = Image()
            for content in image.blobs:
                answer = await client.post(f"/v2/r{number}/blobs/uploads/?digest={digest(content)}", data=content)
                if answer.status != 201:
                    return answer
            answer = await client.put_manifest(f"r{number}", "latest", image.manifest)
            if answer.status != 201:
                return answer
            pushed[number] = image

    pushing = [asyncio.create_task(push(number)) for number in range(6)]
    async with asyncio.timeout(60):
        while len(pushed) < len(pushing):
            await asyncio.sleep(0.01)
    await asyncio.to_thread(postgresql.crash)
    async with asyncio.timeout(20):  # nobody waits for an answer that cannot come any more
        ends = await asyncio.gather(*pushing)
    assert all(map(tells_of_failure, ends)), ends
    await asyncio.to_thread(postgresql.restart)
    for number, image in pushed.items():
        assert (await client.get(f"/v2/r{number}/manifests/{image.digest}")).body == image.manifest
        for content in image.blobs:
            assert (await client.get(f"/v2/r{number}/blobs/{digest(content)}")).body == content
    await server.stop()
    faults = Stock(await read_postgres(url), server.data / "blobs", set()).faults()
    # An upload that had just begun was not worth a sync, so its row may be lost and its object left.
    assert [fault for fault in faults if not fault.endswith("has no row")] == []
