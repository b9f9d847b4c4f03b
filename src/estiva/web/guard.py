# SPDX-License-Identifier: Apache-2.0
"""The guard: from a name and a wish to the repository id that everything after acts on.

There is no authentication yet: whoever reaches an open server may do everything, and only existence is checked.
"""

from estiva.content.repositories import Repositories
from estiva.errors import NameUnknown
from estiva.oci.names import RepositoryName


class Guard:
    """Resolves names for handlers."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    async def find(self, name: RepositoryName) -> int | None:
        """Return the id of a repository that the caller may pull from, or None."""
        return await self._repositories.find(name)

    async def pull(self, name: RepositoryName) -> int:
        """Return the id of a repository that the caller may pull from. Raises NameUnknown."""
        found = await self._repositories.find(name)
        if found is None:
            raise NameUnknown(f"there is no repository {name}", detail={"name": str(name)})
        return found

    async def push(self, name: RepositoryName) -> int:
        """Return the id of a repository that the caller may push to; the first push creates it."""
        return await self._repositories.ensure(name)

    async def resume(self, name: RepositoryName) -> int:
        """Return the id of a repository that the caller may push to and has begun to. Raises NameUnknown."""
        return await self.pull(name)

    async def delete(self, name: RepositoryName) -> int:
        """Return the id of a repository that the caller may delete from. Raises NameUnknown."""
        return await self.pull(name)
