# SPDX-License-Identifier: Apache-2.0
"""Group commit, and what becomes of errors in the thread that writes to SQLite."""

import asyncio
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from structlog.testing import capture_logs

from db.rows import find_repository, make_repository
from estiva.db import repositories
from estiva.db.sqlite import connect
from estiva.db.writer import BATCH
from estiva.errors import BlobUnknown, DatabaseUnavailable, StorageFull
from harness.databases import prepared


@pytest.fixture
def commits():
    """The commits of every engine, as they happen."""
    seen = []

    def note(conn):
        seen.append(conn.exec_driver_sql("PRAGMA synchronous").scalar())

    event.listen(Engine, "commit", note)
    yield seen
    event.remove(Engine, "commit", note)


@pytest.fixture
async def gate(sqlite):
    """The writer thread, held until `release` is called, so that callers queue up behind it."""
    reached, opened = threading.Event(), threading.Event()

    def hold(conn):
        reached.set()
        opened.wait(30)

    held = asyncio.create_task(sqlite.note(hold))
    await asyncio.to_thread(reached.wait, 30)

    async def release(*waiting):
        await asyncio.sleep(0)  # so that each has queued
        opened.set()
        await held
        return await asyncio.gather(*waiting, return_exceptions=True)

    yield release
    opened.set()
    await held


def tasks(calls):
    return [asyncio.create_task(call) for call in calls]


async def names(database):
    return await database.read(
        lambda conn: set(conn.exec_driver_sql("SELECT name FROM repositories ORDER BY name").scalars())
    )


async def test_many_writers_share_one_commit(sqlite, gate, commits):
    answers = await gate(*tasks(sqlite.write(make_repository, f"r{n}") for n in range(100)))
    assert sorted(answers) == list(range(1, 101))
    assert len(commits) == 2  # the gate's, and one for a hundred callers


async def test_a_commit_serves_no_more_than_a_batch(sqlite, gate, commits):
    await gate(*tasks(sqlite.write(make_repository, f"r{n}") for n in range(2 * BATCH)))
    assert len(commits) == 3


async def test_a_commit_that_somebody_depends_on_is_synced_and_one_of_notes_is_not(sqlite, gate, commits):
    await gate(*tasks([sqlite.note(make_repository, "a"), sqlite.write(make_repository, "b")]))
    await sqlite.note(make_repository, "c")
    await sqlite.write(make_repository, "d")
    normal, full = 1, 2  # sqlite.org, "PRAGMA synchronous"
    assert commits == [normal, full, normal, full]


async def test_one_failing_caller_hurts_no_other(sqlite, gate, commits):
    def fail(conn):
        make_repository(conn, "failed")
        raise BlobUnknown("no")

    answers = await gate(
        *tasks([sqlite.write(make_repository, "a"), sqlite.write(fail), sqlite.write(make_repository, "b")])
    )
    assert [type(answer) for answer in answers] == [int, BlobUnknown, int]
    assert await names(sqlite) == {"a", "b"}
    assert len(commits) == 3  # the gate's, theirs, and that of the question just asked


async def test_a_caller_that_finds_nothing_to_iterate_over_hurts_no_other(sqlite, gate):
    """No future takes a StopIteration."""
    answers = await gate(*tasks([sqlite.write(lambda conn: next(iter(()))), sqlite.write(make_repository, "a")]))
    assert [type(answer) for answer in answers] == [RuntimeError, int]


async def test_a_caller_that_swallows_an_error_of_the_database_hurts_no_other(sqlite, gate):
    def swallow(conn):
        with pytest.raises(Exception, match="no such table"):
            conn.exec_driver_sql("SELECT * FROM missing")
        return make_repository(conn, "b")

    answers = await gate(*tasks([sqlite.write(make_repository, "a"), sqlite.write(swallow)]))
    assert answers == [1, 2]


async def test_a_full_disk_is_told_to_those_who_need_room_and_deleting_still_works(sqlite, gate):
    """SQLite takes back the whole transaction when the disk is full, so everybody gets one of their own."""
    await_full = tasks(
        [
            sqlite.write(make_repository, "a"),
            sqlite.write(fill_the_disk),
            sqlite.write(forget, "a"),
            sqlite.write(make_repository, "b"),
        ]
    )
    answers = await gate(*await_full)
    assert [type(answer) for answer in answers] == [int, StorageFull, int, int]
    assert isinstance(answers[1].__cause__.orig, Exception)
    assert await names(sqlite) == {"b"}


def fill_the_disk(conn):
    """Meet a disk that is full: the limit stands for it, with the same error."""
    pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
    conn.exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}")
    try:
        for number in range(100):
            make_repository(conn, f"{number}" + 4000 * "x")
    finally:
        conn.exec_driver_sql("PRAGMA max_page_count = 1000000")


def forget(conn, name):
    return conn.exec_driver_sql("DELETE FROM repositories WHERE name = ?", (name,)).rowcount


async def test_callers_wait_for_another_program_together(sqlite, sqlite_location, gate):
    waits = []

    def impatient(conn):
        conn.exec_driver_sql("PRAGMA busy_timeout = 1")

    def count(conn):
        waits.append(conn)

    event.listen(sqlite._writer._channel.synced.engine, "begin", count)
    await gate(sqlite.write(impatient))
    waits.clear()
    with closing(connect(Path(sqlite_location))) as other:
        other.execute("BEGIN IMMEDIATE")
        reached = [asyncio.ensure_future(sqlite.write(make_repository, f"r{n}")) for n in range(50)]
        answers = await asyncio.gather(*reached, return_exceptions=True)
        other.execute("ROLLBACK")
    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    assert len(waits) < len(answers)


def unforeseen(*_):
    raise LookupError("unforeseen")


@pytest.mark.parametrize("moment", ["begin", "commit"])
@pytest.mark.parametrize("callers", [1, 3])
async def test_an_error_that_nobody_foresaw_is_told_and_logged_and_the_thread_goes_on(sqlite, gate, moment, callers):
    waiting = tasks(sqlite.write(make_repository, f"r{n}") for n in range(callers))
    event.listen(sqlite._writer._channel.synced.engine, moment, unforeseen, once=True)
    with capture_logs() as log:
        answers = await gate(*waiting)

    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    assert {type(answer.__cause__) for answer in answers} == {LookupError}
    assert [(entry["event"], entry["callers"]) for entry in log] == [("writing_failed", callers)]
    assert await sqlite.write(make_repository, "b") == 1
    assert await sqlite.note(make_repository, "c") == 2
    assert await names(sqlite) == {"b", "c"}


async def test_who_was_served_before_an_error_that_nobody_foresaw_is_told_so(sqlite, gate):
    """A disk that is full takes back the transaction of all; of those then served one by one, the second fails."""
    begins = iter([id, id, id, unforeseen])  # twice that of all, then those of each

    def begin(conn):
        next(begins, id)(conn)

    event.listen(sqlite._writer._channel.synced.engine, "begin", begin)
    answers = await gate(
        *tasks([sqlite.write(make_repository, "a"), sqlite.write(fill_the_disk), sqlite.write(make_repository, "b")])
    )
    assert [type(answer) for answer in answers] == [int, DatabaseUnavailable, DatabaseUnavailable]
    assert await names(sqlite) == {"a"}


async def test_a_turn_that_cannot_be_taken_is_told_and_the_next_may_be(sqlite, monkeypatch):
    def fail():
        monkeypatch.undo()
        raise LookupError("unforeseen")

    monkeypatch.setattr(sqlite._writer._channel.turns, "turn", fail)
    with pytest.raises(DatabaseUnavailable, match="a fault of the server"):
        await sqlite.write(make_repository, "a")
    assert await sqlite.write(make_repository, "b") == 1


async def test_a_caller_that_is_cancelled_before_its_turn_is_passed_over(sqlite, gate):
    waiting, other = tasks([sqlite.write(make_repository, "a"), sqlite.write(make_repository, "b")])
    await asyncio.sleep(0)
    waiting.cancel()
    await gate(waiting, other)
    assert waiting.cancelled()
    assert other.result() == 1
    assert await names(sqlite) == {"b"}


async def test_a_caller_that_is_cancelled_during_its_turn_is_told_nothing_and_the_thread_goes_on(sqlite):
    reached, opened = threading.Event(), threading.Event()

    def work(conn):
        reached.set()
        opened.wait(30)
        return make_repository(conn, "a")

    working = asyncio.create_task(sqlite.write(work))
    await asyncio.to_thread(reached.wait, 30)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    opened.set()
    assert await sqlite.write(make_repository, "b") == 2
    assert await names(sqlite) == {"a", "b"}


def test_a_loop_that_ends_while_work_is_queued_leaves_a_thread_that_ends(sqlite_location):
    opened = threading.Event()

    async def leave():
        database = await prepared(sqlite_location)
        asking = tasks([database.write(lambda conn: opened.wait(30)), database.write(make_repository, "a")])
        await asyncio.sleep(0)
        closing = asyncio.create_task(database.close())
        await asyncio.sleep(0)
        return database, asking, closing

    loop = asyncio.new_event_loop()
    database, asking, closing = loop.run_until_complete(leave())
    opened.set()
    database._writer._thread.join(30)
    assert not database._writer._thread.is_alive()
    loop.run_until_complete(asyncio.gather(closing, *asking, return_exceptions=True))
    loop.close()


async def test_readers_do_not_wait_for_the_writer(sqlite, gate):
    assert await sqlite.read(find_repository, "r") is None
    assert await sqlite.row(repositories.FIND, "r") is None


async def test_a_reader_sees_one_state_however_long_it_reads(sqlite):
    started, written = threading.Event(), threading.Event()

    def read(conn):
        before = find_repository(conn, "r")
        started.set()
        written.wait(30)
        return before, find_repository(conn, "r")

    reading = asyncio.create_task(sqlite.read(read))
    await asyncio.to_thread(started.wait, 30)
    await sqlite.write(make_repository)
    written.set()
    assert await reading == (None, None)
    assert await sqlite.read(find_repository, "r") is not None


async def test_a_file_that_was_moved_away_is_not_made_anew(sqlite, sqlite_location):
    Path(sqlite_location).rename(sqlite_location + ".moved")
    with pytest.raises(Exception, match="unable to open"):
        await sqlite.read(find_repository, "r")
    assert not Path(sqlite_location).exists()
