# SPDX-License-Identifier: Apache-2.0
"""`docker search` and `podman search`: the two endpoints of the first registry API that clients still call."""

from typing import Any

from estiva.oci.paging import parse_page
from estiva.web import responses
from estiva.web.call import Call
from estiva.web.responses import Answer
from estiva.web.services import Services

DEFAULT_RESULTS = 25  # what clients ask for unless told otherwise
MAXIMUM_RESULTS = 100  # the most that docker and podman accept for --limit


class SearchEndpoint:
    """Finds repositories by a part of their name."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ping(self, call: Call) -> Answer:
        """Answer the probe that docker sends before it searches."""
        headers = {"X-Docker-Registry-Version": "estiva", "X-Docker-Registry-Standalone": "true"}
        return responses.json(True, headers)  # noqa: FBT003 - the body of this old endpoint is the JSON word `true`

    async def search(self, call: Call) -> Answer:
        """Answer with the repositories whose names contain `q`, the best matches first."""
        page = parse_page(call.parameter("n"), None, default=DEFAULT_RESULTS, maximum=MAXIMUM_RESULTS)
        assert page.limit is not None
        query = call.parameter("q") or ""
        names = await self._services.repositories.search(query.removeprefix("library/"), page.limit)
        return responses.json(
            {
                "query": query,
                "num_results": len(names),
                "num_pages": 1,
                "page": 1,
                "page_size": page.limit,
                "results": [_result(name) for name in names],
            }
        )


def _result(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": "",
        "is_official": "/" not in name,
        "is_automated": False,
        "is_trusted": False,
        "star_count": 0,
    }
