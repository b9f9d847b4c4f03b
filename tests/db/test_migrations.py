# SPDX-License-Identifier: Apache-2.0
"""Migrations make the schema, and change a database whole or not at all."""

import asyncio
import re
import shutil
import sqlite3
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from db.rows import make_repository
from estiva.db import postgres, repositories
from estiva.db.migrate import CURRENT, Revisions, _version, migrate
from estiva.db.schema import metadata
from estiva.db.sqlite import prepare
from estiva.errors import DatabaseUnusable
from harness.databases import prepared

LATER = """
    import sqlalchemy as sa
    from alembic import op

    revision = "{revision}"
    down_revision = "{head}"

    def upgrade():
        with op.batch_alter_table("repositories") as batch:
            batch.add_column(sa.Column("title", sa.Text()))
        {more}
"""


def later(directory, more="pass", revision="9999"):
    """Return revisions with one more than there is."""
    shutil.copytree(CURRENT.directory, directory, ignore=shutil.ignore_patterns("__pycache__"))
    text = textwrap.dedent(LATER).format(revision=revision, head=CURRENT.head, more=more)
    (directory / "versions" / f"{revision}.py").write_text(text)
    return Revisions(directory, revision)


def columns(location):
    with closing(sqlite3.connect(location)) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(repositories)")]


def migrated(conn):
    """Make the tables by migrating, from a database that had none of them."""
    _version.create(conn)
    migrate(conn, CURRENT, lambda head: None)


def empty(conn):
    metadata.drop_all(conn)
    conn.exec_driver_sql("DROP TABLE alembic_version")


def compare(conn):
    options = {"compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(conn, opts=options), metadata)


def test_the_newest_revision_is_the_one_that_the_code_names():
    assert ScriptDirectory(str(CURRENT.directory)).get_heads() == [CURRENT.head]


async def test_migrations_make_the_schema(database):
    await database.write(empty)
    await database.write(migrated)
    assert await database.read(compare) == []


async def test_a_new_database_has_the_tables_that_migrations_make(sqlite):
    statement = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name <> 'alembic_version' ORDER BY name"

    def schema(conn):
        """Return what was declared, whatever the order of constraints."""
        return [(*row[:3], sorted(re.split(r"\W+", row[3] or ""))) for row in conn.exec_driver_sql(statement)]

    made = await sqlite.read(schema)
    await sqlite.write(empty)
    await sqlite.write(migrated)
    assert await sqlite.read(schema) == made


@pytest.mark.postgresql
async def test_a_new_postgresql_database_has_the_tables_that_migrations_make(postgresql, server):
    question = """
        SELECT table_name, column_name, ordinal_position, data_type, collation_name, is_nullable, is_identity,
               column_default
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2;
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
        SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 2
    """
    made = server.run(question)
    await postgresql.write(empty)
    await postgresql.write(migrated)
    assert server.run(question) == made


async def test_a_newer_database_is_refused_and_left_alone(database, location):
    await database.write(lambda conn: conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnusable, match="9999") as refused:
        await prepared(location)
    assert refused.value.hint


async def test_a_database_of_another_program_is_refused(database, location):
    await database.write(empty)
    await database.write(lambda conn: conn.exec_driver_sql("CREATE TABLE theirs (id INTEGER)"))
    with pytest.raises(DatabaseUnusable, match="theirs"):
        await prepared(location)


class TestSqlite:
    @pytest.fixture
    async def path(self, sqlite_location):
        """The file of a database with one repository."""
        database = await prepared(sqlite_location)
        await database.write(make_repository)
        await database.close()
        return Path(sqlite_location)

    def test_an_older_file_is_migrated_and_a_copy_of_it_kept(self, path, tmp_path):
        prepare(path, later(tmp_path / "migrations"))
        assert columns(path) == ["id", "name", "created_at", "title"]
        copy = path.with_name("estiva.db.before-9999")
        assert columns(copy) == ["id", "name", "created_at"]
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT name FROM repositories").fetchall() == [("r",)]
        assert {one.name for one in tmp_path.glob("estiva*")} == {path.name, f"{path.name}-writer", copy.name}

    def test_a_file_is_migrated_once(self, path, tmp_path):
        revisions = later(tmp_path / "migrations")
        prepare(path, revisions)
        copy = path.with_name("estiva.db.before-9999")
        copy.unlink()
        prepare(path, revisions)
        assert not copy.exists()

    def test_a_file_of_this_version_is_not_read_through(self, path):
        """A start takes as long with a million tags as with one; what is broken shows that nobody looked."""
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("INSERT INTO links VALUES (1, 'sha256:0', 0, NULL)")
        prepare(path)

    async def test_a_migration_that_fails_changes_nothing(self, path, tmp_path):
        with pytest.raises(ZeroDivisionError):
            prepare(path, later(tmp_path / "migrations", "1 / 0"))
        assert columns(path) == ["id", "name", "created_at"]
        database = await prepared(path)
        assert await database.row(repositories.FIND, "r") == (1,)
        await database.close()

    def test_a_migration_that_fails_can_be_tried_again(self, path, tmp_path):
        with pytest.raises(ZeroDivisionError):
            prepare(path, later(tmp_path / "failing", "1 / 0"))
        prepare(path, later(tmp_path / "mended"))
        assert columns(path) == ["id", "name", "created_at", "title"]

    def test_a_migration_that_breaks_foreign_keys_changes_nothing(self, path, tmp_path):
        more = "op.execute(\"INSERT INTO links VALUES (1, 'sha256:0', 0, NULL)\")"
        with pytest.raises(DatabaseUnusable, match="links"):
            prepare(path, later(tmp_path / "migrations", more))
        assert columns(path) == ["id", "name", "created_at"]

    def test_a_table_that_others_refer_to_can_be_made_anew(self, path, tmp_path):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("INSERT INTO blobs VALUES ('sha256:0', 1, 'k', 0, NULL)")
            connection.execute("INSERT INTO links VALUES (1, 'sha256:0', 0, NULL)")
        again = 'op.batch_alter_table("repositories", recreate="always")'
        more = f"with {again} as batch: batch.alter_column('name', nullable=False)"
        prepare(path, later(tmp_path / "migrations", more))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT repository_id FROM links").fetchall() == [(1,)]


@pytest.mark.postgresql
class TestPostgresql:
    async def test_an_older_database_is_migrated(self, postgresql, postgresql_location, tmp_path):
        await postgresql.write(make_repository)
        await postgres.prepare(postgresql_location, later(tmp_path / "migrations"))
        found = await postgresql.read(lambda conn: conn.exec_driver_sql("SELECT name, title FROM repositories").all())
        assert found == [("r", None)]

    async def test_a_migration_that_fails_changes_nothing(self, postgresql, postgresql_location, tmp_path):
        with pytest.raises(ZeroDivisionError):
            await postgres.prepare(postgresql_location, later(tmp_path / "migrations", "1 / 0"))
        await (await prepared(postgresql_location)).close()
        assert await postgresql.read(compare) == []

    async def test_processes_that_start_at_once_agree(self, postgresql_location):
        opened = await asyncio.gather(*(prepared(postgresql_location) for _ in range(4)))
        made = await asyncio.gather(*(database.write(make_repository) for database in opened))
        assert len(set(made)) == 1
        await asyncio.gather(*(database.close() for database in opened))
