# SPDX-License-Identifier: Apache-2.0
"""Open a database of either kind."""

from pathlib import Path

from estiva.db.engine import Database
from estiva.errors import DatabaseUnusable


async def open_database(location: str | Path) -> Database:
    """Open the database at a path (SQLite) or a `postgresql://` URL, migrating it when it is of an older version.

    Raises DatabaseUnusable.
    """
    if str(location).startswith(("postgresql://", "postgres://")):
        try:
            from estiva.db.postgres import open_postgres
        except ImportError as error:
            raise DatabaseUnusable(
                f"PostgreSQL needs the package {error.name}, which is not installed",
                hint="install it where Estiva is: pip install asyncpg greenlet (or '.[postgresql]' from the sources)",
            ) from error
        return await open_postgres(str(location))
    from estiva.db.sqlite import open_sqlite

    return await open_sqlite(Path(location))
