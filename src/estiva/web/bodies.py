# SPDX-License-Identifier: Apache-2.0
"""Request bodies: read as they come, bounded in time, and never taken for complete when they are not.

1. `100 Continue` goes out when a handler begins to read, so a refusal before that costs the client nothing.
2. Truncation is an error, chunked or with a length (invariant 12).
3. A body that stops coming is given up after the stall timeout.
4. What has come of an upload waits in bounded memory (intake.py), whichever way it came.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from aiohttp import ClientError as TransportError
from aiohttp import StreamReader
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from estiva.content.receiving import Arriving, Batch
from estiva.errors import BodyStalled, BodyTruncated, ManifestTooLarge, RequestInvalid
from estiva.options.limits import LimitOptions
from estiva.web.call import Call
from estiva.web.direct import DirectBody, direct_body
from estiva.web.documents import Documents
from estiva.web.intake import Gathering
from estiva.web.services import Services

READ = 256 * 1024  # bytes of a manifest that are read at once
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def announced_length(call: Call) -> int | None:
    """Return how many bytes the head announces; None when only the end will tell."""
    if not call.request.body_exists:
        return 0
    return call.request.content_length


def _ask_for_it(call: Call) -> None:
    call.body_begun = True
    if call.expects_continue and call.request.transport is not None and not call.request.content.is_eof():
        call.request.transport.write(CONTINUE)


async def _read(content: StreamReader, most: int, patience: float) -> bytes:
    """Return what has come, at most so many bytes; none at the end. Raises TimeoutError, BodyTruncated."""
    try:
        async with asyncio.timeout(patience):
            return await content.read(most)
    except (RequestPayloadError, TransportError, HttpProcessingError, ConnectionError) as error:
        raise BodyTruncated("the body ended before it was complete; send the rest again") from error


def _stalled(timeout: float) -> BodyStalled:
    return BodyStalled(f"no byte of the body came for {timeout:g} s (limits.stall_timeout)")


@contextmanager
def arriving(call: Call, services: Services) -> Iterator[Arriving]:
    """Yield the body of an upload with what the head says of it. Raises TooBusy."""
    if call.headers.get("Content-Encoding", "identity") != "identity":
        raise RequestInvalid("a Content-Encoding is not understood here: send the bytes that the digest is of")
    length, content_range = announced_length(call), call.header("Content-Range")
    if length == 0:
        yield Arriving(body=_nothing(), content_range=content_range, length=0)
        return
    direct = direct_body(call.request)
    with services.intake.upload() as gathering:
        try:
            body = _batches(call, direct, gathering, services.limits.stall_timeout)
            yield Arriving(body=body, content_range=content_range, length=length)
        finally:
            if direct is not None:
                direct.drop()


async def _nothing() -> AsyncIterator[Batch]:
    batches: tuple[Batch, ...] = ()
    for batch in batches:
        yield batch


async def _batches(
    call: Call, direct: DirectBody | None, gathering: Gathering, stall_timeout: float
) -> AsyncIterator[Batch]:
    """Yield the body in batches. Raises BodyTruncated, BodyStalled, after all that came before."""
    _ask_for_it(call)
    if direct is not None:
        async for batch in direct.batches(gathering, stall_timeout):
            call.received += batch.size
            yield batch
        if call.request.content.at_eof() and call.request.content.exception() is None:
            return
    async for batch in _gathered(call.request.content, gathering, stall_timeout):
        call.received += batch.size
        yield batch


async def _gathered(content: StreamReader, gathering: Gathering, stall_timeout: float) -> AsyncIterator[Batch]:
    silence = 0.0
    while True:
        if gathering.wants_large:
            await gathering.enlarged()
        wait = min(gathering.patience, stall_timeout - silence)
        try:
            chunk = await _read(content, gathering.room, wait)
        except TimeoutError:
            silence += wait
        except BodyTruncated:
            if (batch := gathering.cut()) is not None:
                yield batch
            raise
        else:
            silence = 0.0
            gathering.put(chunk)
        ended = not silence and not chunk
        if (ended or silence or gathering.ripe) and (batch := gathering.cut()) is not None:
            yield batch
        if ended:
            return
        if silence >= stall_timeout:
            raise _stalled(stall_timeout)


async def read_manifest(call: Call, limits: LimitOptions, documents: Documents) -> bytes:
    """Return the whole body. Raises ManifestTooLarge as soon as it shows, and TooBusy."""
    limit = limits.manifest_bytes
    length = announced_length(call)
    too_large = f"a manifest may have at most {limit} bytes"
    if length is not None and length > limit:
        raise ManifestTooLarge(too_large)
    _ask_for_it(call)
    content = bytearray()
    while chunk := await _read_in_time(call, limits.stall_timeout):
        content += chunk
        if len(content) > limit:
            raise ManifestTooLarge(too_large)
        documents.take(call, 2 * len(content))  # it is copied in the end
    return bytes(content)


async def _read_in_time(call: Call, stall_timeout: float) -> bytes:
    try:
        chunk = await _read(call.request.content, READ, stall_timeout)
    except TimeoutError as error:
        raise _stalled(stall_timeout) from error
    call.received += len(chunk)
    return chunk
