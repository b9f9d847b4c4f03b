# SPDX-License-Identifier: Apache-2.0
"""How an upload session moves on: chunk after chunk, without a gap (distribution-spec, "Pushing a blob in chunks")."""

from dataclasses import dataclass

from estiva.errors import SizeInvalid, UploadOutOfOrder
from estiva.oci.ranges import parse_content_range


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadProgress:
    """How far a session is: `offset` bytes are kept.

    `hashed` is their digest by `algorithm`, encoded, or None where that is not known.
    """

    offset: int
    algorithm: str
    hashed: str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a request may add: bytes from `start` on, `length` of them or, if None, as many as come."""

    start: int
    length: int | None


def plan_chunk(progress: UploadProgress, content_range: str | None, content_length: int | None) -> Chunk:
    """Return what a request may add to the session. `content_length` is None when the length is not announced.

    Raises UploadOutOfOrder when the chunk does not begin where the session ends, SizeInvalid when the two headers
    contradict each other, and UploadInvalid when Content-Range is malformed.
    """
    if content_range is None:
        return Chunk(progress.offset, content_length)
    span = parse_content_range(content_range)
    if span.start != progress.offset:
        raise UploadOutOfOrder(
            f"the chunk begins at byte {span.start}, the upload goes on at byte {progress.offset}",
            offset=progress.offset,
        )
    length = span.stop - span.start
    if content_length is not None and content_length != length:
        raise SizeInvalid(
            f"Content-Range announces {length} bytes, Content-Length {content_length}",
            detail={"contentRange": length, "contentLength": content_length},
        )
    return Chunk(span.start, length)


def check_received(chunk: Chunk, received: int) -> None:
    """Check that as many bytes came as were announced. Raises SizeInvalid."""
    if chunk.length is not None and received != chunk.length:
        raise SizeInvalid(
            f"{chunk.length} bytes were announced and {received} came",
            detail={"announced": chunk.length, "received": received},
        )
