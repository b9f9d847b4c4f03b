# SPDX-License-Identifier: Apache-2.0
"""`/v2/` (end-1) and `/v2/_catalog`."""

from estiva.oci.paging import next_link, parse_page
from estiva.oci.paths import Base, Catalog, catalog_path
from estiva.web import responses
from estiva.web.call import Call
from estiva.web.responses import Answer
from estiva.web.services import Services


class BaseEndpoint:
    """Tells that this is a registry."""

    async def get(self, call: Call, route: Base) -> Answer:
        """Answer 200: the version check of every client."""
        return responses.json({})


class CatalogEndpoint:
    """Lists repositories."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, call: Call, route: Catalog) -> Answer:
        """List the repositories that hold something, a page at a time."""
        limits = self._services.limits
        page = parse_page(call.parameter("n"), call.parameter("last"), default=limits.page, maximum=limits.page_maximum)
        names = await self._services.repositories.catalog(page)
        headers = {**responses.NO_CACHE}
        if page.limit and len(names) > page.limit:
            headers["Link"] = next_link(catalog_path(), {"n": page.limit, "last": names[page.limit - 1]})
        return responses.json({"repositories": names[: page.limit]}, headers)
