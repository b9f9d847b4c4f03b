# SPDX-License-Identifier: Apache-2.0
"""Open a database of either kind: prepared by one process, then opened by each that uses it."""

from pathlib import Path
from types import ModuleType

from estiva.db.engine import Database
from estiva.db.queueing import MOST, Observer, Unobserved
from estiva.errors import DatabaseUnusable


async def prepare_database(location: str | Path) -> None:
    """Make sure that the database at a path (SQLite) or a `postgresql://` URL can be used and is of this version.

    It is made, or migrated, as needed; nothing stays open. Raises DatabaseUnusable.
    """
    if _is_url(location):
        await _postgres().prepare(str(location))
        return
    from estiva.db.sqlite import prepare

    prepare(Path(location))


async def open_database(
    location: str | Path, *, most: int = MOST, observer: Observer | None = None, processes: int = 1
) -> Database:
    """Open a database that was prepared; `most` callers may wait for it, and `observer` hears of them.

    So many processes of one server open it. It belongs to the event loop that opens it, and crosses no fork.
    """
    observer = observer or Unobserved()
    if _is_url(location):
        opened: Database = _postgres().PostgresDatabase(str(location), most, observer, processes)
        return opened
    from estiva.db.sqlite import SqliteDatabase

    return SqliteDatabase(Path(location), most, observer)


def _is_url(location: str | Path) -> bool:
    return str(location).startswith(("postgresql://", "postgres://"))


def _postgres() -> ModuleType:
    try:
        from estiva.db import postgres
    except ImportError as error:
        raise DatabaseUnusable(
            f"PostgreSQL needs the package {error.name}, which is not installed",
            hint="install it where Estiva is: pip install asyncpg greenlet (or '.[postgresql]' from the sources)",
        ) from error
    return postgres
