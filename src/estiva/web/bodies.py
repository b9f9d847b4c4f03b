# SPDX-License-Identifier: Apache-2.0
"""Request bodies: read as they come, bounded in time, and never taken for complete when they are not.

1. `100 Continue` goes out when a handler begins to read, so a refusal before that costs the client nothing.
2. Truncation is an error, chunked or with a length (invariant 12).
3. A body that stops coming is given up after the stall timeout.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import ClientError as TransportError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from estiva.content.receiving import Arriving
from estiva.errors import BodyStalled, BodyTruncated, ManifestTooLarge, RequestInvalid
from estiva.options.limits import LimitOptions
from estiva.telemetry.metrics import Metrics
from estiva.web.call import Call
from estiva.web.services import Services

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def announced_length(call: Call) -> int | None:
    """Return how many bytes the head announces; None when only the end will tell."""
    if not call.request.body_exists:
        return 0
    return call.request.content_length


async def chunks(call: Call, stall_timeout: float) -> AsyncIterator[bytes]:
    """Yield the body as it comes. Raises BodyTruncated, BodyStalled."""
    content = call.request.content
    call.body_begun = True
    if call.expects_continue and call.request.transport is not None and not content.is_eof():
        call.request.transport.write(CONTINUE)
    while True:
        try:
            async with asyncio.timeout(stall_timeout):
                chunk = await content.readany()
        except TimeoutError as error:
            raise BodyStalled(f"no byte of the body came for {stall_timeout:g} s") from error
        except (RequestPayloadError, TransportError, HttpProcessingError, ConnectionError) as error:
            raise BodyTruncated("the body ended before it was complete; send the rest again") from error
        if not chunk:
            return
        call.received += len(chunk)
        yield chunk


async def _counted(body: AsyncIterator[bytes], metrics: Metrics) -> AsyncIterator[bytes]:
    metrics.upload_began()
    try:
        async for chunk in body:
            yield chunk
    finally:
        metrics.upload_ended()


def arriving(call: Call, services: Services) -> Arriving:
    """Return the body of an upload with what the head says of it."""
    if call.request.headers.get("Content-Encoding", "identity") != "identity":
        raise RequestInvalid("a Content-Encoding is not understood here: send the bytes that the digest is of")
    body = _counted(chunks(call, services.limits.stall_timeout), services.metrics)
    return Arriving(body=body, content_range=call.header("Content-Range"), length=announced_length(call))


async def read_manifest(call: Call, limits: LimitOptions) -> bytes:
    """Return the whole body. Raises ManifestTooLarge as soon as it shows."""
    limit = limits.manifest_bytes
    length = announced_length(call)
    too_large = f"a manifest may have at most {limit} bytes"
    if length is not None and length > limit:
        raise ManifestTooLarge(too_large)
    content = bytearray()
    async for chunk in chunks(call, limits.stall_timeout):
        content += chunk
        if len(content) > limit:
            raise ManifestTooLarge(too_large)
    return bytes(content)
