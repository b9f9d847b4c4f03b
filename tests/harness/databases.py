# SPDX-License-Identifier: Apache-2.0
"""Databases for tests."""

from pathlib import Path

from estiva.db.engine import Database
from estiva.db.opening import open_database, prepare_database
from estiva.db.queueing import MOST, Observer


async def prepared(location: str | Path, most: int = MOST, observer: Observer | None = None) -> Database:
    """Open a database, made or migrated before as needed."""
    await prepare_database(location)
    return await open_database(location, most=most, observer=observer)
