# SPDX-License-Identifier: Apache-2.0
"""Answers that the lane remembers: given again only while that changes nothing but the request id."""

import json
import sqlite3
from contextlib import closing

import pytest

from estiva.db.schema import tag_statistics
from estiva.web import remembered
from estiva.web.call import Call
from estiva.web.remembered import Remembered
from estiva.web.responses import Answer
from harness.alike import HEAD
from harness.content import Image
from harness.raw import wire

PATH = "/v2/team/app/manifests/v1"
REQUEST = f"GET {PATH} HTTP/1.1\r\n{HEAD}\r\n"
RETAG = "UPDATE tags SET digest = ? WHERE name = 'v1'"


@pytest.fixture
async def images(client):
    pushed = [Image(), Image()]
    for number, image in enumerate(pushed):
        await client.push_image("team/app", image, f"v{number}")
    return pushed


@pytest.fixture
def looked(registry, monkeypatch):
    """Count the rows that are looked up."""
    parameters, row = [], registry.db.row

    async def counted(query, *given):
        parameters.append(given)
        return await row(query, *given)

    monkeypatch.setattr(registry.db, "row", counted)
    return parameters


def elsewhere(registry, statement, *parameters):
    """Write as another process does: without this one's knowledge."""
    with closing(sqlite3.connect(registry.data / "estiva.db")) as connection, connection:
        connection.execute(statement, parameters)


async def ask(connection, request=REQUEST, method="GET"):
    await connection.send(request)
    return await connection.answer(method)


async def test_what_is_asked_again_is_not_looked_up_again(registry, images, looked):
    async with wire(registry.port) as connection:
        answers = [await ask(connection) for _ in range(20)]
    assert {answer.body for answer in answers} == {images[1].manifest}
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)
    assert len({json.dumps({**answer.headers, "x-request-id": "", "date": ""}) for answer in answers}) == 1
    assert len(looked) == 2  # the repository and the tag, for the first


async def test_a_second_later_it_is_looked_up_again(registry, images, looked):
    async with wire(registry.port) as connection:
        await ask(connection)
        registry.clock.advance(1)
        await ask(connection)
    assert len(looked) == 4


async def test_each_is_told_and_counted(registry, images, looked):
    async with wire(registry.port) as connection:
        answers = [await ask(connection) for _ in range(10)]
    lines = [json.loads(line) for line in registry.log.getvalue().splitlines()]
    told = [line for line in lines if line["path"] == PATH and line["method"] == "GET"]
    assert [line["request_id"] for line in told] == [answer.headers["x-request-id"] for answer in answers]
    assert {(line["repository"], line["reference"], line["bytes_sent"]) for line in told} == {
        ("team/app", "v1", len(images[1].manifest))
    }
    assert await registry.statistics.flush()
    rows = await registry.db.read(lambda conn: conn.execute(tag_statistics.select()).all())
    assert [(row.name, row.pulls) for row in rows] == [("v1", 10)]


async def test_a_change_by_another_process_shows_at_once(registry, images):
    async with wire(registry.port) as connection:
        for turn in range(40):
            image = images[turn % 2]
            elsewhere(registry, RETAG, image.digest)
            for _ in range(3):
                assert (await ask(connection)).body == image.manifest


async def test_what_is_deleted_is_gone(registry, images, client):
    async with wire(registry.port) as connection:
        assert (await ask(connection)).status == 200
        await client.delete(PATH)
        assert (await ask(connection)).status == 404


async def test_other_bytes_are_another_request(registry, images):
    async with wire(registry.port) as connection:
        assert (await ask(connection)).body
        head = await ask(connection, REQUEST.replace("GET", "HEAD"), "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert (await ask(connection)).body == images[1].manifest


async def test_a_blob_is_looked_at_each_time(registry, images, client):
    pushed = await client.push_blob("team/app", b"x" * 1000)
    request = REQUEST.replace("manifests/v1", f"blobs/{pushed}")
    async with wire(registry.port) as connection:
        assert (await ask(connection, request)).status == 200
        for file in (registry.data / "blobs").glob("*/*"):
            file.unlink()
        assert (await ask(connection, request)).status == 503


HEAD_SENT = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nX-Request-Id: 0123456789abcdef\r\nDate: then\r\n\r\n"


def known(memory, request=b"request", moment=(1, 1), body=b"body"):
    """Ask; when the answer is not known, have it kept."""
    if (found := memory.recall(request, moment)) is not None:
        return found
    call = Call(id="0123456789abcdef", client="-", method="GET", target="/", headers={}, stopping=None)
    memory.keep(request, call, Answer(200, {}, body), HEAD_SENT)
    return None


def test_it_holds_for_a_moment():
    memory = Remembered()
    for moment in ((1, 1), (2, 1), (1, 1), (1, 2)):
        assert known(memory, moment=moment) is None
        assert known(memory, moment=moment) is not None


def test_a_head_is_sent_with_another_id():
    memory = Remembered()
    known(memory)
    assert known(memory).head("fedcba9876543210") == HEAD_SENT.replace(b"0123456789abcdef", b"fedcba9876543210")


def test_it_takes_no_more_than_its_room():
    memory, body = Remembered(), b"x" * (remembered.LARGEST // 2)
    assert [known(memory, b"large", body=2 * body) for _ in range(2)] == [None, None]
    requests = [b"%d" % number for number in range(2 * remembered.ROOM // len(body))]
    for request in requests:
        known(memory, request, body=body)
    there = [request for request in requests if memory.recall(request, (1, 1))]
    assert 0 < len(there) * len(body) <= remembered.ROOM


def test_what_is_not_kept_takes_no_room():
    memory, body = Remembered(), b"x" * (remembered.ROOM // 2)
    for number in range(3):
        known(memory, b"%d" % number, body=body)
    known(memory)
    assert known(memory) is not None


def test_it_takes_no_more_than_so_many():
    memory, requests = Remembered(), [b"%d" % number for number in range(2 * remembered.ANSWERS)]
    for request in requests:
        known(memory, request)
    assert sum(memory.recall(request, (1, 1)) is not None for request in requests) == remembered.ANSWERS
