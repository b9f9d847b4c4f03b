# SPDX-License-Identifier: Apache-2.0
"""How an upload session moves on: chunk after chunk, without a gap (distribution-spec, "Pushing a blob in chunks")."""

from estiva.errors import SizeInvalid, UploadOutOfOrder
from estiva.oci.ranges import parse_content_range


def plan_chunk(offset: int, content_range: str | None, content_length: int | None) -> int | None:
    """Return how many bytes a request announces that it adds to the `offset` that are kept; None: it does not say.

    Raises UploadOutOfOrder when the chunk does not begin where the session ends, SizeInvalid when the two headers
    contradict each other, and UploadInvalid when Content-Range is malformed.
    """
    if content_range is None:
        return content_length
    span = parse_content_range(content_range)
    if span.start != offset:
        raise UploadOutOfOrder(
            f"the chunk begins at byte {span.start}, the upload goes on at byte {offset}",
            offset=offset,
        )
    length = span.stop - span.start
    if content_length is not None and content_length != length:
        raise SizeInvalid(
            f"Content-Range announces {length} bytes, Content-Length {content_length}",
            detail={"contentRange": length, "contentLength": content_length},
        )
    return length


def check_received(announced: int | None, received: int) -> None:
    """Check that as many bytes came as were announced. Raises SizeInvalid."""
    if announced is not None and received != announced:
        raise SizeInvalid(
            f"{announced} bytes were announced and {received} came",
            detail={"announced": announced, "received": received},
        )
