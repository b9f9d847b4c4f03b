# SPDX-License-Identifier: Apache-2.0
"""Requests whose end others may see elsewhere: aiohttp's parser takes them, and we do not (RFC 9112, section 6.1)."""

from aiohttp.web import BaseRequest

_VERSIONS = {(1, 0), (1, 1)}


def framing_fault(request: BaseRequest) -> str | None:
    """Return what is wrong with the way in which the request is framed; its connection must be closed then."""
    if request.version not in _VERSIONS:
        return "only HTTP/1.0 and HTTP/1.1 are spoken here"
    codings = request.headers.getall("Transfer-Encoding", ())
    if codings and (request.version == (1, 0) or [coding.strip(" \t").lower() for coding in codings] != ["chunked"]):
        return "the only Transfer-Encoding that is understood is chunked, in HTTP/1.1"
    return None
