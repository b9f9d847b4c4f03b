# SPDX-License-Identifier: Apache-2.0
"""Bring a database to this version.

1. A newer database is refused: this version does not know what its tables mean. So is somebody else's.
2. An empty one gets the tables at once. A test compares them with what the migrations make.
3. An older one is migrated in the caller's transaction, after the caller has kept a copy where that is its business.
4. An up-to-date or empty one is dealt with without loading Alembic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect, select

from estiva.db.schema import metadata
from estiva.errors import DatabaseUnusable


@dataclass(frozen=True, slots=True)
class Revisions:
    """The migrations in a directory, and the newest of them."""

    directory: Path
    head: str


CURRENT = Revisions(Path(__file__).with_name("migrations"), "0003")

# As Alembic makes it (alembic.runtime.migration); not in the schema, since autogenerate must not see it.
_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def migrate(conn: Connection, revisions: Revisions, keep_copy: Callable[[str], None]) -> bool:
    """Bring the database to the newest revision, in the transaction that is under way. Raises DatabaseUnusable.

    `keep_copy` is called with that revision before an older database is changed. Return whether it was older.
    """
    tables = set(inspect(conn).get_table_names())
    if _version.name not in tables:
        if tables:
            raise DatabaseUnusable(
                f"the database holds tables ({', '.join(sorted(tables)[:3])}), but none of Estiva's",
                hint="give Estiva a database of its own",
            )
        _create(conn)
        return False
    revision = conn.execute(select(_version.c.version_num)).scalar_one_or_none()
    if revision == revisions.head:
        return False
    _upgrade(conn, revision, revisions, keep_copy)
    return True


def _create(conn: Connection) -> None:
    metadata.create_all(conn, checkfirst=False)
    _version.create(conn)
    conn.execute(_version.insert().values(version_num=CURRENT.head))


def _upgrade(conn: Connection, revision: str | None, revisions: Revisions, keep_copy: Callable[[str], None]) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory(str(revisions.directory)).walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseUnusable(
            f"the database has the revision {revision}, and this version knows no later one than {revisions.head}: "
            "a newer Estiva has written it",
            hint="run that newer version, or restore the copy that was made before it migrated",
        )
    keep_copy(revisions.head)
    config = Config()
    config.set_main_option("script_location", str(revisions.directory).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
