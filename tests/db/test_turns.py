# SPDX-License-Identifier: Apache-2.0
"""Processes that write to one SQLite file take turns."""

import asyncio
import fcntl
import signal
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from db.rows import find_repository, make_repository
from estiva.db.opening import prepare_database
from estiva.db.turns import Turns, lock_file

WRITING = Path(__file__).with_name("writing.py")
MANY = 200  # commits of one process


@asynccontextmanager
async def writers(location, *names):
    """Start a process for each name, and let them begin together."""
    await prepare_database(location)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, WRITING, location, name, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in names
    ]
    try:
        for process in processes:
            assert await process.stdout.readline() == b"ready\n"
        for process in processes:
            process.stdin.write(b"begin\n")
        yield processes
    finally:
        for process in processes:
            process.stdin.close()
            await process.communicate()


async def read_lines(process, count):
    for _ in range(count):
        assert await process.stdout.readline()


def repositories_of(location, name):
    with closing(sqlite3.connect(location)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM repositories WHERE name LIKE ?", (f"{name}-%",)).fetchone()
    return count


async def test_neither_of_two_processes_starves(sqlite_location):
    """While one commits many times, so does the other: without turns it is a tenth, or none for seconds."""
    async with writers(sqlite_location, "a", "b") as (a, b):
        reading = [asyncio.create_task(read_lines(process, MANY)) for process in (a, b)]
        await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
        counts = repositories_of(sqlite_location, "a"), repositories_of(sqlite_location, "b")
        await asyncio.gather(*reading)
    assert min(counts) > MANY / 4


async def test_a_process_that_is_killed_while_it_holds_the_turn_frees_it(sqlite, sqlite_location):
    script = """
        import sys, time
        from pathlib import Path
        from estiva.db.turns import Turns
        with Turns(Path(sys.argv[1])).turn():
            print("held", flush=True)
            time.sleep(60)
    """
    lines = "\n".join(line[8:] for line in script.splitlines())
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", lines, sqlite_location, stdout=subprocess.PIPE)
    assert await holder.stdout.readline() == b"held\n"
    asked = asyncio.create_task(sqlite.write(make_repository))
    assert await sqlite.read(find_repository, "r") is None
    assert not asked.done()
    holder.send_signal(signal.SIGKILL)
    await holder.wait()
    await asked
    assert await sqlite.read(find_repository, "r") is not None


async def test_a_process_that_is_killed_while_it_commits_leaves_the_other_all_it_needs(sqlite_location):
    async with writers(sqlite_location, "a", "b") as (a, b):
        reading = asyncio.create_task(read_lines(b, MANY))
        await read_lines(a, MANY // 4)
        a.kill()
        await a.wait()
        await reading
    assert repositories_of(sqlite_location, "a") >= MANY // 4


async def test_who_has_nothing_to_write_does_not_hold_the_turn(sqlite, sqlite_location):
    await sqlite.write(make_repository)
    with lock_file(Path(sqlite_location)).open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_whoever_waits_for_the_turn_takes_along_what_has_queued_up_meanwhile(sqlite, sqlite_location):
    turns = Turns(Path(sqlite_location))
    with turns.turn():
        asked = [asyncio.create_task(sqlite.write(make_repository, f"r{number}")) for number in range(50)]
        await asyncio.sleep(0)
    assert sorted(await asyncio.gather(*asked)) == list(range(1, 51))
    turns.close()


async def test_a_turn_that_cannot_be_had_is_told_to_those_who_wait(sqlite, monkeypatch):
    def fail(descriptor, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(Exception, match="No locks available"):
        await sqlite.write(make_repository)
    monkeypatch.undo()
    assert await sqlite.write(make_repository) == 1
