# SPDX-License-Identifier: Apache-2.0
"""What only a server can do: meet conflicts, lose connections, refuse to be opened."""

import asyncio
import subprocess
import sys
import textwrap

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.rows import NOW, find_repository, make_repository
from estiva.db import repositories
from estiva.db.postgres import HOT_POOL, POOL, translate
from estiva.errors import BlobUnknown, DatabaseUnavailable, DatabaseUnusable, StorageFull
from harness.databases import prepared

pytestmark = pytest.mark.postgresql


class Failing:
    """A db function that fails with an error of the server the first few times."""

    def __init__(self, sqlstate, times) -> None:
        self.sqlstate = sqlstate
        self.times = times
        self.calls = 0

    def __call__(self, conn):
        self.calls += 1
        make_repository(conn, f"r{self.calls}")
        state = self.sqlstate if self.calls <= self.times else "00000"
        conn.execute(text(f"DO $$ BEGIN IF '{state}' <> '00000' THEN RAISE SQLSTATE '{state}'; END IF; END $$"))
        return self.calls


def kill_me(conn):
    """Have the server close the connection under way."""
    conn.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def kill_all(server):
    """Have the server close every connection but the one that asks."""
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename <> ''")


async def names(database):
    return await database.read(lambda conn: conn.execute(text("SELECT name FROM repositories")).scalars().all())


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_conflict_runs_the_function_again_from_the_start(postgresql, sqlstate):
    assert await postgresql.write(Failing(sqlstate, 3)) == 4
    assert await names(postgresql) == ["r4"]


async def test_conflicts_without_end_are_told(postgresql):
    failing = Failing("40P01", 1000)
    with pytest.raises(DatabaseUnavailable):
        await postgresql.write(failing)
    assert failing.calls == 10
    assert await names(postgresql) == []


async def test_two_that_wait_for_each_other_both_succeed(postgresql):
    """A real deadlock: each holds a row and wants the other's."""
    await postgresql.write(lambda conn: [make_repository(conn, name) for name in "ab"])
    met = asyncio.Barrier(2)

    def lock(conn, name):
        return conn.execute(text("SELECT id FROM repositories WHERE name = :name FOR UPDATE"), {"name": name}).scalar()

    calls = []

    def cross(conn, first, second):
        from sqlalchemy.util import await_

        calls.append(first)
        lock(conn, first)
        if len(calls) <= 2:
            await_(met.wait())
        return lock(conn, second)

    assert await asyncio.gather(postgresql.write(cross, "a", "b"), postgresql.write(cross, "b", "a")) == [2, 1]
    assert len(calls) == 3


async def test_a_lost_connection_is_replaced_before_anybody_notices(postgresql, server):
    await asyncio.gather(*(postgresql.write(make_repository, f"r{n}") for n in range(POOL)))
    await asyncio.gather(*(postgresql.row(repositories.FIND, "r1") for _ in range(2 * HOT_POOL)))
    kill_all(server)
    assert await postgresql.row(repositories.FIND, "r1") is not None
    kill_all(server)
    assert await postgresql.read(find_repository, "r1") is not None
    kill_all(server)
    assert await postgresql.write(repositories.ensure, "r1", NOW)
    await postgresql.check()


async def test_a_connection_that_is_lost_each_time_is_told(postgresql):
    with pytest.raises(DatabaseUnavailable):
        await postgresql.write(kill_me)
    await postgresql.write(make_repository)


async def test_a_connection_that_is_lost_while_committing_is_told_and_nothing_runs_again(postgresql, server):
    """Nobody knows whether the commit happened."""
    calls = []

    def prepare(conn):
        calls.append(conn)
        pid = conn.execute(text("SELECT pg_backend_pid()")).scalar()
        make_repository(conn)
        server.run(f"SELECT pg_terminate_backend({pid}, 1000)")

    with pytest.raises(DatabaseUnavailable):
        await postgresql.write(prepare)
    assert len(calls) == 1


async def test_a_caller_that_is_cancelled_while_it_waits_for_a_lock_leaves_nothing_behind(postgresql):
    await postgresql.write(make_repository)
    async with postgresql._writing.connect() as holder:
        await holder.execute(text("SELECT id FROM repositories FOR UPDATE"))
        waiting = asyncio.create_task(postgresql.write(rename, "new"))
        while not await postgresql.read(someone_waits):
            await asyncio.sleep(0.005)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await names(postgresql) == ["r"]
    assert await postgresql.write(rename, "newer") == 1


def rename(conn, name):
    return conn.execute(text("UPDATE repositories SET name = :name"), {"name": name}).rowcount


def someone_waits(conn):
    return conn.execute(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).scalar()


async def test_a_read_sees_one_state_however_long_it_reads(postgresql, server):
    def read(conn):
        before = find_repository(conn, "r")
        server.run("INSERT INTO repositories (name, created_at) VALUES ('r', 1)")
        return before, find_repository(conn, "r")

    assert await postgresql.read(read) == (None, None)
    assert await postgresql.read(find_repository, "r") is not None


async def test_a_note_does_not_wait_for_the_disk_and_a_write_is_left_to_the_server_s_setting(postgresql, server):
    def setting(conn):
        return conn.execute(text("SHOW synchronous_commit")).scalar()

    server.run("ALTER DATABASE postgres SET synchronous_commit = on")
    kill_all(server)
    assert await postgresql.note(setting) == "off"
    assert await postgresql.write(setting) == "on"
    server.run("ALTER DATABASE postgres RESET synchronous_commit")


@pytest.mark.parametrize(
    ("sqlstate", "told"),
    [
        ("53100", StorageFull),
        ("53300", DatabaseUnavailable),
        ("55P03", DatabaseUnavailable),
        ("25006", DatabaseUnavailable),
        ("58030", DatabaseUnavailable),
        ("23503", DBAPIError),
        ("42601", DBAPIError),
    ],
)
async def test_errors_of_the_server_become_ours_with_their_cause(postgresql, sqlstate, told):
    with pytest.raises(told) as raised:
        await postgresql.write(Failing(sqlstate, 1))
    assert raised.value.__cause__ is not None
    assert await names(postgresql) == []


def test_errors_that_are_no_server_s_stay_what_they_are():
    translate(KeyError("x"))
    translate(BlobUnknown("x"))


async def test_a_server_that_is_not_there_is_told_with_a_cure(server):
    with pytest.raises(DatabaseUnusable) as refused:
        await prepared("postgresql://postgres:secret@127.0.0.1:1/postgres")
    assert refused.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres:secret@127.0.0.1:{port}/missing",
        "postgresql://nobody:secret@127.0.0.1:{port}/postgres",
        "postgresql://postgres:secret@127.0.0.1:port/postgres",
        "postgresql://postgres:secret@[::1/postgres",
        "postgresql://postgres:secret@127.0.0.1:{port}/postgres?sslmode=secret",
        "postgresql://postgres:secret@127.0.0.1:{port}/postgres?sslmode=require",
    ],
)
async def test_a_url_that_leads_nowhere_is_told_without_its_password(server, url):
    with pytest.raises(DatabaseUnusable) as refused:
        await prepared(url.format(port=server.port))
    assert "secret" not in refused.value.message + refused.value.hint
    assert refused.value.hint


def test_without_its_driver_postgresql_is_refused_with_a_cure():
    script = """
        import asyncio, sys
        sys.modules["asyncpg"] = None
        from estiva.db.opening import open_database, prepare_database
        from estiva.errors import DatabaseUnusable
        try:
            asyncio.run(open_database("postgresql://127.0.0.1/x"))
        except DatabaseUnusable as error:
            print(error.hint)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "pip install asyncpg" in told
