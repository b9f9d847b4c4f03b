# SPDX-License-Identifier: Apache-2.0
"""A database and a store belong together: each without the other's part is a registry with holes."""

from pathlib import Path

from estiva.blobstore import BlobStore
from estiva.db import facts
from estiva.db.engine import Database
from estiva.errors import DataDirectoryUnusable, StorageFull, StorageUnavailable, StoreMismatch


async def pair(db: Database, store: BlobStore, directory: Path) -> None:
    """Make sure that the database's bytes are in this store; a database that has none yet is given to it for good.

    Raises StoreMismatch, and DataDirectoryUnusable when the store cannot be read.
    """
    try:
        identity = await store.identity()
    except (StorageFull, StorageUnavailable) as error:
        raise DataDirectoryUnusable(
            f"the directory {directory} cannot be used: {error.message}",
            hint="give a directory that this user may write to",
        ) from error
    owner = await db.write(facts.settle, facts.STORE, identity)
    if owner != identity:
        raise StoreMismatch(
            f"the database belongs to another data directory: what it knows of is in the store {owner}, "
            f"and {directory} holds the store {identity}",
            hint=f"give --data the directory that goes with this database; when {directory} was restored from a "
            f"backup without its file `id`, write the database's name into it: echo {owner} > {directory / 'id'}",
        )
