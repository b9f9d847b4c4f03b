# SPDX-License-Identifier: Apache-2.0
"""Bring a database to this version.

1. A newer database is refused: this version does not know what its tables mean.
2. An older one is migrated at start, in one transaction. SQLite files are copied first; on PostgreSQL an advisory lock
   lets one process do it while others wait.
3. An up-to-date one is recognised without loading Alembic.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, inspect

from estiva.errors import DatabaseUnusable

HEAD = "0001"  # the newest revision in `migrations/versions`; a test compares
MIGRATIONS = Path(__file__).with_name("migrations")


def current_revision(conn: Connection) -> str | None:
    """Return the revision of the database, or None for an empty one."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()


def upgrade(conn: Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision`. Raises DatabaseUnusable for a database that is newer."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise newer(current_revision(conn)) from error


def newer(revision: str | None) -> DatabaseUnusable:
    """Return the error for a database that a newer version has written."""
    return DatabaseUnusable(
        f"the database has the revision {revision}, this version knows {HEAD}: a newer Estiva has written it",
        hint="run that newer version, or restore the copy that it made before it migrated",
    )


def migrate_sqlite(path: Path) -> None:
    """Bring the file to this version; a copy of an older one stays beside it. Raises DatabaseUnusable."""
    from estiva.db.sqlite import make_engine

    engine = make_engine(path, begin="BEGIN IMMEDIATE")
    with engine.connect() as conn:
        with conn.begin():
            revision = current_revision(conn)
        if revision == HEAD:
            return
        if revision is not None:
            _copy(path, path.with_name(f"{path.name}.before-{HEAD}"))
        with conn.begin():
            upgrade(conn)


def _copy(path: Path, copy: Path) -> None:
    # The backup API, never a plain copy: part of the data may be in the write-ahead log.
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
