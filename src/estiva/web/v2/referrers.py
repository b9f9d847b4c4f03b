# SPDX-License-Identifier: Apache-2.0
"""`/v2/<name>/referrers/<digest>`: end-12."""

from estiva.oci.media_types import OCI_INDEX
from estiva.oci.paging import next_link
from estiva.oci.paths import Referrers as ReferrersRoute
from estiva.oci.paths import referrers_path
from estiva.oci.referrers import render_index
from estiva.web import responses
from estiva.web.call import Call
from estiva.web.responses import Answer
from estiva.web.services import Services


class ReferrersEndpoint:
    """Lists what refers to a manifest."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, call: Call, route: ReferrersRoute) -> Answer:
        """List the referrers; never 404, which clients take for "this registry has no referrers API"."""
        wanted = call.parameter("artifactType")
        applied = {} if wanted is None else {"OCI-Filters-Applied": "artifactType"}
        repository_id = await self._services.guard.find(route.name)
        if repository_id is None:
            return responses.body(render_index([]), OCI_INDEX, responses.NO_CACHE | applied)
        after, limit = call.parameter("last") or "", self._services.limits.referrers_page
        found, following = await self._services.referrers.page(repository_id, route.digest, wanted, after, limit)
        link = {} if following is None else {"Link": _next(route, wanted, following)}
        return responses.body(render_index(found), OCI_INDEX, responses.NO_CACHE | applied | link)


def _next(route: ReferrersRoute, wanted: str | None, following: str) -> str:
    return next_link(referrers_path(route.name, route.digest), {"artifactType": wanted, "last": following})
