# SPDX-License-Identifier: Apache-2.0
"""`/v2/<name>/blobs/<digest>`: end-2 and end-10."""

from aiohttp.web import StreamResponse

from estiva.content.blobs import BlobFound
from estiva.errors import DeletionDisabled
from estiva.oci.conditions import etag, none_match
from estiva.oci.digests import Digest
from estiva.oci.media_types import OCTET_STREAM
from estiva.oci.paths import BlobPath
from estiva.oci.ranges import Span, parse_range
from estiva.web import responses
from estiva.web.call import Call
from estiva.web.download import Download
from estiva.web.responses import Answer
from estiva.web.services import Services


class BlobEndpoint:
    """Pulls, checks and deletes blobs."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, call: Call, route: BlobPath) -> Answer | StreamResponse:
        """Send the blob, or the ranges that are asked for."""
        call.repository_id = repository_id = await self._services.guard.pull(route.name)
        found = await self._services.blobs.find(repository_id, route.digest)
        headers = _headers(route.digest)
        if none_match(call.header("If-None-Match"), headers["ETag"]):
            return responses.empty(304, headers)
        whole = found.content is not None or call.header("Range") is None
        content = self._services.blobs.at_hand(found) if whole else None
        if content is not None:
            return self._services.documents.send(call, responses.body(content, OCTET_STREAM, headers))
        call.takes_time()
        return await self._download(call, found, headers)

    async def _download(self, call: Call, found: BlobFound, headers: dict[str, str]) -> StreamResponse:
        spans = _spans(call, headers["ETag"], found.size)
        reader = await self._services.blobs.open(found)
        try:
            download = Download(reader, found.size, OCTET_STREAM, self._services.limits.stall_timeout)
            return await download.send(call, headers, spans)
        finally:
            reader.close()

    async def head(self, call: Call, route: BlobPath) -> Answer:
        """Tell whether the blob is there; a pusher who hears so counts on it."""
        repository_id = await self._services.guard.pull(route.name)
        found = await self._services.blobs.find(repository_id, route.digest)
        if self._services.blobs.must_announce(found):
            call.takes_time()
            await self._services.blobs.announce(repository_id, route.digest, found)
        headers = _headers(route.digest) | {"Content-Length": str(found.size), "Content-Type": OCTET_STREAM}
        if none_match(call.header("If-None-Match"), headers["ETag"]):
            return responses.empty(304, _headers(route.digest))
        return responses.empty(200, headers)

    async def delete(self, call: Call, route: BlobPath) -> Answer:
        """Stop showing the blob in this repository."""
        if not self._services.policy.delete:
            raise DeletionDisabled("deleting is switched off on this registry (content.delete)")
        repository_id = await self._services.guard.delete(route.name)
        await self._services.blobs.delete(repository_id, route.digest)
        return responses.empty(202, {"Content-Length": "0"})


def _headers(digest: Digest) -> dict[str, str]:
    return {
        "Docker-Content-Digest": str(digest),
        "ETag": etag(str(digest)),
        "Accept-Ranges": "bytes",
        **responses.IMMUTABLE,
    }


def _spans(call: Call, current: str, size: int) -> tuple[Span, ...] | None:
    condition = call.header("If-Range")
    if condition is not None and condition.strip() != current:
        return None  # RFC 9110, section 13.1.5: another version, so the whole of this one
    return parse_range(call.header("Range"), size)
