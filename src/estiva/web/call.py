# SPDX-License-Identifier: Apache-2.0
"""One request under way, with what the log and the handlers want to know of it."""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qsl

import msgspec
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, StreamResponse
from multidict import MultiMapping

from estiva.errors import RequestInvalid
from estiva.web import responses
from estiva.web.responses import Answer

PIECE = 64 * 1024  # bytes of a body that are sent at once
QUERY_FIELDS = 4096  # parameters; as many tags as a request line has room for, by the default limits


class TakesTime(Exception):
    """An answer that was to be given at once has to wait for a disk or a thread."""


class Call(msgspec.Struct):
    """A request, its id, and the address of whoever sent it.

    `target` is the path as sent, with its query. `source` is aiohttp's request; None in the lane, where an answer is
    given at once or not at all. `endpoint`, `repository` and `reference` are filled in as they become known; `sent` and
    `received` count the bytes of bodies. A pull fills in its `repository_id`, and if it is of a manifest, `pulled`: its
    digest, and the tag that was asked for. `stopping` is set while the server stops: then each connection closes after
    its answer. `upload_path` is the session's own path where the request goes to one. `held` bytes of a large manifest
    are given back by `release`, once the call has ended.
    """

    id: str
    client: str
    method: str
    target: str
    headers: MultiMapping[str]
    stopping: asyncio.Event
    source: BaseRequest | None = None
    endpoint: str = "unknown"
    repository: str = ""
    reference: str = ""
    repository_id: int | None = None
    pulled: tuple[str, str | None] | None = None
    sent: int = 0
    received: int = 0
    body_begun: bool = False
    upload_path: str | None = None
    query: dict[str, list[str]] = msgspec.field(default_factory=dict)
    held: int = 0
    release: Callable[["Call"], None] | None = None

    def resemble(self, other: "Call") -> None:
        """Take over what became known of another call, which asked for the same."""
        self.endpoint, self.repository, self.reference = other.endpoint, other.repository, other.reference
        self.repository_id, self.pulled = other.repository_id, other.pulled

    @property
    def request(self) -> BaseRequest:
        """Aiohttp's request, for handlers that have said that they take time."""
        assert self.source is not None
        return self.source

    def takes_time(self) -> None:
        """Say that the answer has to wait for a disk or a thread, before it does. Raises TakesTime in the lane."""
        if self.source is None:
            raise TakesTime

    @property
    def path(self) -> str:
        """The path as sent: a framework's normalising of `..` and `%2e` must not choose the repository."""
        return self.target.partition("?")[0]

    def parse(self) -> None:
        """Read the query. Raises RequestInvalid."""
        query = self.target.partition("?")[2]
        self.query = _parse_query(query) if query else {}

    @property
    def wants_head_only(self) -> bool:
        """Whether the method is HEAD: an answer without its body."""
        return self.method == "HEAD"

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body (RFC 9110, section 10.1.1)."""
        return self.headers.get("Expect", "").lower() == "100-continue"

    def transport(self) -> asyncio.Transport:
        """Return the connection. Raises ConnectionResetError when the client is gone."""
        if self.request.transport is None:
            raise ConnectionResetError("the client is gone")
        return self.request.transport

    async def begin(self, response: StreamResponse) -> AbstractStreamWriter:
        """Send the head of a streamed answer. Raises ConnectionResetError when the client is gone."""
        responses.dress(response, self.id, self.path)
        return await self._start(response)

    async def send(self, answer: Answer) -> StreamResponse:
        """Send a whole answer. Raises ConnectionResetError when the client is gone."""
        if answer.body is not None and len(answer.body) > PIECE and not self.wants_head_only:
            return await self._send_in_pieces(answer, answer.body)
        response = responses.to_response(answer, self.id, self.path)
        await self._start(response)
        await response.write_eof()
        return response

    async def _send_in_pieces(self, answer: Answer, body: bytes) -> StreamResponse:
        """Let no more of a body gather in the connection than the client takes.

        Pieces are copies: the last of them waits for the client when nobody knows of the whole any more.
        """
        response = StreamResponse(status=answer.status, headers=responses.complete(answer, self.id, self.path))
        await self._start(response)
        for start in range(0, len(body), PIECE):
            await response.write(body[start : start + PIECE])
        await response.write_eof()
        return response

    async def _start(self, response: StreamResponse) -> AbstractStreamWriter:
        broken = self.request.content.exception() is not None  # nobody knows where the next request begins
        if broken or self.stopping.is_set() or (self.expects_continue and not self.body_begun):
            response.force_close()
        writer = await response.prepare(self.request)
        if writer is None:
            raise ConnectionResetError("the client is gone")
        return writer

    async def write(self, response: StreamResponse, content: bytes) -> None:
        """Send a piece of the answer's body."""
        await response.write(content)
        self.sent += len(content)

    def count(self, answer: Answer) -> None:
        """Count the bytes of a whole answer that was sent."""
        if answer.body is not None and not self.wants_head_only:
            self.sent = len(answer.body)

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        values = self.query.get(name)
        return values[0] if values else None

    def header(self, name: str) -> str | None:
        """Return a header's value; several of one name count as a list (RFC 9110, section 5.3)."""
        return ", ".join(self.headers.getall(name)) if name in self.headers else None


def _parse_query(text: str) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    try:
        # `+` in a query means a space for forms; media types carry a real one, so it stays.
        pairs = parse_qsl(
            text.replace("+", "%2B"), keep_blank_values=True, max_num_fields=QUERY_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise RequestInvalid("the query is malformed, or has too many parameters") from error
    for name, value in pairs:
        # Nothing that a parameter can mean has such characters, and databases refuse some of them.
        if not (name + value).isprintable():
            raise RequestInvalid("a parameter holds characters that cannot be printed")
        query.setdefault(name, []).append(value)
    return query
