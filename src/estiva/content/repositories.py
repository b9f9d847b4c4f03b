# SPDX-License-Identifier: Apache-2.0
"""Repositories: found, created by their first push, listed, searched."""

from estiva.content.terms import Terms
from estiva.db import repositories
from estiva.db.engine import Database
from estiva.oci.names import RepositoryName
from estiva.oci.paging import Page


class Repositories:
    """Resolves names to ids, and lists names."""

    def __init__(self, db: Database, terms: Terms) -> None:
        self._db = db
        self._terms = terms

    async def find(self, name: RepositoryName) -> int | None:
        """Return the id of the repository, or None when there is none of that name."""
        row = await self._db.row(repositories.FIND, name.stored)
        return None if row is None else row[0]

    async def ensure(self, name: RepositoryName) -> int:
        """Return the id of the repository, creating it when there is none of that name."""
        found = await self.find(name)
        if found is not None:
            return found
        return await self._db.note(repositories.ensure, name.stored, self._terms.now())

    async def catalog(self, page: Page) -> list[str]:
        """Return one name more than the page holds, if there are so many: that there is a next page shows so."""
        assert page.limit is not None
        return await self._db.read(repositories.catalog, page.last or "", page.limit + 1)

    async def search(self, text: str, limit: int) -> list[str]:
        """Return the names that contain `text`, the best matches first."""
        return await self._db.read(repositories.search, text, limit)
