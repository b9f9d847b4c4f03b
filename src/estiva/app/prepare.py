# SPDX-License-Identifier: Apache-2.0
"""What is done once for all workers, before the first of them exists; it leaves nothing open that could not be forked.

So it has an event loop of the standard library: uvloop's would leave threads behind.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from estiva.app.data_directory import DataDirectory
from estiva.app.pairing import pair
from estiva.blobstore import FilesystemStore
from estiva.config import Settings
from estiva.db import uploads
from estiva.db.opening import open_database, prepare_database


def prepare(settings: Settings, directory: DataDirectory) -> None:
    """Make and migrate the database, make the store, and make sure that they belong together.

    Raises DatabaseUnusable, StoreMismatch, DataDirectoryUnusable.
    """
    asyncio.run(_prepare(settings.server.database or str(directory.database), directory))


async def _prepare(location: str, directory: DataDirectory) -> None:
    await prepare_database(location)
    db = await open_database(location)
    try:
        with ThreadPoolExecutor(1) as pool:
            await pair(db, FilesystemStore.open(directory.blobs, pool), directory.blobs)
        # This server holds both alone: whoever was writing to an upload before it is dead.
        await db.note(uploads.clear_leases)
    finally:
        await db.close()
