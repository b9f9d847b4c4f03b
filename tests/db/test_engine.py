# SPDX-License-Identifier: Apache-2.0
"""The contract of `Database`: SQLite and PostgreSQL pass it whole."""

import asyncio
import importlib
import pkgutil

import pytest
from sqlalchemy import select

import estiva.db
from db.rows import NOW, A, find_repository, make_blob, make_manifest, make_repository, new_upload
from estiva.db import blobs, links, manifests, repositories, uploads
from estiva.db.engine import HotQuery
from estiva.db.schema import metadata
from estiva.errors import BlobUnknown, DatabaseUnavailable
from harness.databases import prepared


def hot_queries():
    """Yield every hot query of the floor with its name."""
    for module in pkgutil.iter_modules(estiva.db.__path__, "estiva.db."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, HotQuery):
                yield f"{module.name.rsplit('.', 1)[1]}.{name}", value


SESSION = "0b5a9e0c-7c36-4d0a-9c8e-0d6c1d1d7a11"

HOT = dict(hot_queries())
PARAMETERS = {
    "repositories.FIND": ("r",),
    "blobs.LINKED": (1, A),
    "manifests.BY_TAG": (1, "v1"),
    "manifests.BY_DIGEST": (1, A),
    "uploads.OF_SESSION": (1, SESSION),
}


def nothing(conn):
    pass


def fill(conn):
    repository_id = make_repository(conn)
    make_blob(conn, repository_id, A)
    make_manifest(conn, repository_id, A, tag="v1")
    uploads.insert(conn, new_upload(repository_id, id=SESSION))


async def test_what_is_written_is_read_after_reopening(location):
    first = await prepared(location)
    made = await first.write(repositories.ensure, "r", NOW)
    await first.close()
    second = await prepared(location)
    assert await second.row(repositories.FIND, "r") == (made,)
    await second.close()


async def test_a_note_is_seen_by_every_way_of_reading(database):
    made = await database.note(repositories.ensure, "r", now=NOW)
    assert await database.read(find_repository, "r") == made
    assert await database.row(repositories.FIND, "r") == (made,)
    assert await database.write(find_repository, "r") == made


@pytest.mark.parametrize("way", ["write", "note"])
async def test_an_error_takes_back_all_that_the_function_did(database, way):
    def fail(conn):
        fill(conn)
        raise BlobUnknown("no")

    with pytest.raises(BlobUnknown, match="no"):
        await getattr(database, way)(fail)
    assert await database.row(repositories.FIND, "r") is None


async def test_reading_changes_nothing(database):
    with pytest.raises(DatabaseUnavailable):
        await database.read(repositories.ensure, "r", NOW)
    assert await database.row(repositories.FIND, "r") is None
    await database.write(repositories.ensure, "r", NOW)


async def test_many_callers_at_once_agree(database):
    made = await asyncio.gather(*(database.write(repositories.ensure, "r", NOW) for _ in range(50)))
    assert len(set(made)) == 1
    found = await asyncio.gather(*(database.row(repositories.FIND, "r") for _ in range(50)))
    assert set(found) == {(made[0],)}


async def test_callers_get_their_own_errors(database):
    def fail(conn, number):
        make_repository(conn, f"failed{number}")
        raise BlobUnknown(f"{number}")

    calls = [database.write(fail, n) if n % 3 else database.write(make_repository, f"r{n}") for n in range(30)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(a) for a in answers if isinstance(a, BlobUnknown)] == [str(n) for n in range(30) if n % 3]
    names = await database.read(
        lambda conn: set(conn.execute(select(metadata.tables["repositories"].c.name)).scalars())
    )
    assert names == {f"r{n}" for n in range(0, 30, 3)}


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_query_answers_as_core_does(database, name):
    await database.write(fill)
    query, values = HOT[name], PARAMETERS[name]
    named = dict(zip(query.parameters, values, strict=True))
    expected = await database.read(lambda conn: tuple(conn.execute(query.statement, named).one()))
    found = await database.row(query, *values)
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_query_answers_none_for_what_is_not_there(database, name):
    assert await database.row(HOT[name], *PARAMETERS[name]) is None


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_query_is_answered_by_indexes_alone(sqlite, name):
    sql = str(HOT[name].statement)
    named = dict(zip(HOT[name].parameters, PARAMETERS[name], strict=True))
    plan = await sqlite.read(
        lambda conn: conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", named).scalars("detail").all()
    )
    assert all(step.startswith("SEARCH") for step in plan)


async def test_a_sick_function_does_not_stop_the_others(database):
    def exit_(conn):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        await database.write(exit_)
    await database.write(make_repository)


async def test_a_constraint_that_is_broken_is_told_as_it_is(database):
    """A fault of ours: nobody is asked to try again."""
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await database.write(links.insert, 1, A, NOW)


async def test_a_database_that_works_says_so(database):
    await database.check()


async def test_after_closing_nothing_is_accepted(sqlite_location):
    database = await prepared(sqlite_location)
    await database.close()
    for call in (
        database.write(nothing),
        database.note(nothing),
        database.read(nothing),
        database.row(repositories.FIND, "r"),
        database.check(),
    ):
        with pytest.raises(DatabaseUnavailable):
            await call


async def test_what_was_asked_before_closing_is_still_done(location):
    database = await prepared(location)
    asked = asyncio.create_task(database.write(make_repository))
    await asyncio.sleep(0)
    await database.close()
    await asked
    again = await prepared(location)
    assert await again.row(repositories.FIND, "r") is not None
    await again.close()


def test_every_hot_query_is_known_here():
    assert set(HOT) == set(PARAMETERS)
    known = {blobs.LINKED, manifests.BY_TAG, manifests.BY_DIGEST, repositories.FIND, uploads.OF_SESSION}
    assert known == set(HOT.values())
