# SPDX-License-Identifier: Apache-2.0
"""Answers: the headers that all of them carry, and the one place where errors become answers.

What is not streamed is an `Answer`. `complete` puts the last headers on it, whichever way it goes out, so that both
ways send the same bytes.
"""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import msgspec
from aiohttp.web import Response, StreamResponse

from estiva.errors import ClientError, EstivaError, ServerError, UploadOutOfOrder
from estiva.oci.ranges import render_progress

# A browser must never take what somebody pushed for a page of this server, whatever its media type says.
V2_HEADERS = {
    "Docker-Distribution-Api-Version": "registry/2.0",  # Debian's docker refuses a registry without it
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
}
NO_CACHE = {"Cache-Control": "no-cache"}
IMMUTABLE = {"Cache-Control": "max-age=31536000, immutable"}  # one year, the longest that RFC 9111 readers expect
JSON = "application/json"

_EVERYWHERE = {"Server": "Estiva"}
_ON_V2 = _EVERYWHERE | V2_HEADERS


class Answer(msgspec.Struct, frozen=True):
    """A whole answer; `body` None: none, and no word about its length but what the headers say."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None = None


def dress(response: StreamResponse, request_id: str, path: str) -> None:
    """Put on the headers that every answer to a request for `path` carries."""
    response.headers["X-Request-Id"] = request_id
    response.headers.update(_common(path))


def complete(answer: Answer, request_id: str, path: str) -> dict[str, str]:
    """Return every header of the answer to a request for `path`, in the order in which they are sent."""
    headers = {**answer.headers, "X-Request-Id": request_id, **_common(path)}
    if answer.body is not None:
        headers["Content-Length"] = str(len(answer.body))
    headers["Date"] = _date(int(time.time()))
    return headers


def _common(path: str) -> Mapping[str, str]:
    return _ON_V2 if path.startswith("/v2") or path.lstrip("/").startswith("v2") else _EVERYWHERE


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def to_response(answer: Answer, request_id: str, path: str) -> Response:
    """Return the answer as aiohttp sends it."""
    return Response(status=answer.status, headers=complete(answer, request_id, path), body=answer.body)


def empty(status: int, headers: Mapping[str, str]) -> Answer:
    """Answer without a body."""
    return Answer(status, headers)


def body(content: bytes, media_type: str, headers: Mapping[str, str] | None = None, status: int = 200) -> Answer:
    """Answer with `content`; no charset parameter, which some clients take for another type."""
    return Answer(status, {"Content-Type": media_type, **(headers or {})}, content)


def json(payload: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> Answer:
    """Answer with a JSON document."""
    return body(msgspec.json.encode(payload), JSON, headers, status)


def render_error(error: BaseException, request_id: str, upload_path: str | None = None) -> Answer:
    """Answer with the error, in the spec's form (section "Error Codes").

    An error outside the tree is a fault of this server: the client gets its request id, the log the rest.
    `upload_path` is the upload session's own path, which an out-of-order error must name.
    """
    if isinstance(error, ClientError):
        headers = dict(error.headers)
        if isinstance(error, UploadOutOfOrder) and upload_path is not None:
            headers |= {"Location": upload_path, "Range": render_progress(error.offset)}
        return _errors(error.status, error.code, error.message, error.detail, headers)
    if isinstance(error, ServerError):
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        message = f"{error.message} (request {request_id})"
        return _errors(error.status, error.code, message, {"requestId": request_id}, headers)
    message = error.message if isinstance(error, EstivaError) else "the server failed"
    message = f"{message}; its log tells more under request {request_id}"
    return _errors(ServerError.status, ServerError.code, message, {"requestId": request_id}, {})


def _errors(status: int, code: str, message: str, detail: Any, headers: Mapping[str, str]) -> Answer:
    entry = {"code": code, "message": message}
    if detail is not None:
        entry["detail"] = detail
    return json({"errors": [entry]}, headers, status)
