# SPDX-License-Identifier: Apache-2.0
"""Which files SQLite is allowed to serve from, and how they are set up."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from db.rows import make_repository
from estiva.db.mounts import file_system, unsuitable
from estiva.db.sqlite import connect, require_wal, translate
from estiva.errors import DatabaseUnavailable, DatabaseUnusable, StorageFull
from harness.databases import prepared

NOBODY = 65534

MOUNTS = r"""
23 60 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
60 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
61 60 0:40 / /srv/data rw,relatime shared:2 - nfs4 server:/data rw,vers=4.2
62 61 0:41 / /srv/data/fast rw,relatime - xfs /dev/vdb rw
63 60 0:42 / /mnt/my\040disk rw,relatime master:5 propagate_from:2 - fuse.sshfs me@there:/ rw
64 60 0:43 / /mnt/twice rw - ext4 /dev/vdc rw
65 60 0:44 / /mnt/twice rw - cifs //server/share rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/estiva.db", "ext4"),
        ("/srv/data/estiva.db", "nfs4"),
        ("/srv/database/estiva.db", "ext4"),
        ("/srv/data/fast/estiva.db", "xfs"),
        ("/mnt/my disk/estiva.db", "fuse.sshfs"),
        ("/mnt/twice/estiva.db", "cifs"),
    ],
)
def test_a_path_is_on_the_file_system_that_was_mounted_nearest_and_last(path, kind):
    assert file_system(MOUNTS, Path(path)) == kind


def test_where_the_kernel_tells_nothing_nothing_is_known():
    assert file_system("", Path("/x")) == ""


def test_a_local_disk_is_suitable(tmp_path):
    assert unsuitable(tmp_path / "estiva.db") is None


def test_a_file_system_without_shared_memory_is_refused_with_a_cure(tmp_path):
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(DatabaseUnusable) as refused:
        require_wal(connection, tmp_path)
    assert "--database" in refused.value.hint


@pytest.mark.parametrize(
    "location",
    ["/proc/estiva.db", "/nowhere/at/all/estiva.db", "/dev/null/estiva.db", "/"],
    ids=["read-only", "missing", "not a directory", "a directory"],
)
async def test_a_place_that_cannot_be_written_is_refused_with_a_cure(location):
    with pytest.raises(DatabaseUnusable) as refused:
        await prepared(location)
    assert refused.value.hint
    assert location in refused.value.message


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of an ordinary user, as whom the test runs although root runs the suite."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        if os.geteuid() != 0:
            yield Path(directory)
            return
        os.chown(directory, NOBODY, -1)
        os.seteuid(NOBODY)
        try:
            yield Path(directory)
        finally:
            os.seteuid(0)


async def test_a_read_only_directory_is_refused(place):
    place.chmod(0o500)
    with pytest.raises(DatabaseUnusable):
        await prepared(place / "estiva.db")


async def test_a_read_only_file_is_refused(place):
    path = place / "estiva.db"
    await (await prepared(path)).close()
    path.chmod(0o400)
    with pytest.raises(DatabaseUnusable, match="readonly"):
        await prepared(path)


@pytest.mark.parametrize("content", [b"hello, this is no database" * 100, b"SQLite format 3\0" + bytes(84)])
async def test_a_file_that_is_something_else_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "estiva.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseUnusable):
        await prepared(path)
    assert path.read_bytes() == content


async def test_a_path_may_hold_any_character(tmp_path):
    path = tmp_path / "a b?c#d%41é.db"
    await (await prepared(path)).close()
    assert path.exists()
    assert {one.name for one in tmp_path.iterdir()} == {path.name, f"{path.name}-writer"}


async def test_the_database_is_not_for_everybody_to_read(sqlite, sqlite_location):
    await sqlite.write(make_repository)
    for suffix in ("", "-wal", "-shm", "-writer"):
        assert stat.S_IMODE(Path(sqlite_location + suffix).stat().st_mode) & 0o007 == 0


async def test_closing_leaves_the_database_and_the_file_by_which_processes_take_turns(sqlite_location):
    database = await prepared(sqlite_location)
    await database.write(make_repository)
    await database.close()
    assert {one.name for one in Path(sqlite_location).parent.iterdir()} == {"estiva.db", "estiva.db-writer"}


async def test_every_connection_keeps_foreign_keys_and_logs_ahead(sqlite):
    def settings(conn):
        names = (
            "foreign_keys",
            "journal_mode",
            "temp_store",
            "busy_timeout",
            "wal_autocheckpoint",
            "journal_size_limit",
        )
        return [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    expected = [1, "wal", 2, 10000, 4000, 64 * 1024 * 1024]
    assert await sqlite.read(settings) == expected
    assert await sqlite.note(settings) == expected
    assert await sqlite.write(settings) == expected
    assert sqlite._hot.execute("PRAGMA query_only").fetchone() == (1,)


async def test_a_writer_of_another_program_is_waited_for_and_then_told(sqlite, sqlite_location, monkeypatch):
    await sqlite.note(lambda conn: conn.exec_driver_sql("PRAGMA busy_timeout = 1"))
    with closing(connect(Path(sqlite_location))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            await sqlite.note(make_repository)
        other.execute("ROLLBACK")
    await sqlite.note(make_repository)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (sqlite3.SQLITE_FULL, StorageFull),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StorageFull),
        (sqlite3.SQLITE_IOERR_FSYNC, DatabaseUnavailable),
        (sqlite3.SQLITE_BUSY, DatabaseUnavailable),
        (sqlite3.SQLITE_READONLY, DatabaseUnavailable),
    ],
)
def test_errors_of_sqlite_become_ours_with_their_cause(code, told):
    error = sqlite3.OperationalError("so it is")
    error.sqlite_errorcode = code
    wrapped = OperationalError("SELECT", None, error)
    with pytest.raises(told) as raised:
        translate(wrapped)
    assert raised.value.__cause__ is wrapped


def test_errors_that_are_no_driver_s_stay_what_they_are():
    translate(KeyError("x"))
    translate(sqlite3.IntegrityError("x"))


def test_sqlite_serves_without_alembic_and_without_the_other_database_s_driver(tmp_path):
    script = """
        import asyncio, sys
        from estiva.db.opening import open_database, prepare_database
        async def main():
            for _ in range(2):
                await prepare_database(sys.argv[1])
                await (await open_database(sys.argv[1])).close()
        asyncio.run(main())
        print({"alembic", "asyncpg"} & set(sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), tmp_path / "estiva.db"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "set()\n"
