# SPDX-License-Identifier: Apache-2.0
"""`/v2/<name>/tags/list`: end-8."""

import msgspec
from aiohttp.web import StreamResponse

from estiva.oci.paging import Page, next_link, parse_page
from estiva.oci.paths import TagsList, tags_path
from estiva.web import responses
from estiva.web.call import Call
from estiva.web.responses import Answer
from estiva.web.services import Services
from estiva.web.stall import StallGuard


class TagsEndpoint:
    """Lists the tags of a repository."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, call: Call, route: TagsList) -> Answer | StreamResponse:
        """List a page of tags when `n` asks for one, all of them otherwise."""
        repository_id = await self._services.guard.pull(route.name)
        page = parse_page(
            call.parameter("n"), call.parameter("last"), default=None, maximum=self._services.limits.page_maximum
        )
        if page.limit is None:
            return await self._send_all(call, route, repository_id, page)
        tags = await self._services.tags.page(repository_id, page)
        headers = {**responses.NO_CACHE}
        if page.limit and len(tags) > page.limit:
            headers["Link"] = next_link(tags_path(route.name), {"n": page.limit, "last": tags[page.limit - 1]})
        return responses.json({"name": str(route.name), "tags": tags[: page.limit]}, headers)

    async def _send_all(self, call: Call, route: TagsList, repository_id: int, page: Page) -> Answer | StreamResponse:
        """Stream the list: a repository may have a million tags."""
        if call.wants_head_only:
            return responses.empty(200, {"Content-Type": responses.JSON, **responses.NO_CACHE})
        response = StreamResponse(headers={"Content-Type": responses.JSON, **responses.NO_CACHE})
        await call.begin(response)
        before = b'{"name":' + msgspec.json.encode(str(route.name)) + b',"tags":['
        with StallGuard(call.transport(), self._services.limits.stall_timeout):
            async for batch in self._services.tags.all(repository_id, page.last):
                if batch:
                    await call.write(response, before + msgspec.json.encode(batch)[1:-1])
                    before = b","
            await call.write(response, b"]}" if before == b"," else before + b"]}")
            await response.write_eof()
        return response
