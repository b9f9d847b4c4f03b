# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - the version of aiohttp is held below the next minor release, and tests cover what is used
"""The pull lane: a plain pull is answered on the spot, before aiohttp's parser sees it.

1. Taken is exactly one GET or HEAD of a manifest or a blob, on an idle connection, with a head of a strict form, whose
   handler answers without waiting, be it that nothing is there. Everything else goes on to aiohttp as if the lane were
   not there: slower, never different.
2. The handlers, what they call, and the headers of the answer are those of every other request.
3. What a request line and a block of headers mean is remembered by their bytes. What is there, and who may have it, is
   looked at for each request, or is known not to have changed (`remembered`; invariant 7).
4. Nothing is written while the client has not taken the answer before it.
"""

import asyncio
import contextlib
import re
import time
from functools import cache
from http import HTTPStatus

import msgspec
from aiohttp.http_writer import _serialize_headers
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict, MultiMapping

from estiva.errors import ClientError
from estiva.oci.paths import BlobPath, ManifestPath
from estiva.web import responses
from estiva.web.boundary import END
from estiva.web.call import Call
from estiva.web.entry import Entry
from estiva.web.remembered import Memory, Remembered
from estiva.web.responses import Answer
from estiva.web.stall import StallGuard
from estiva.web.v2.table import Place

HEAD_BYTES = 8 * 1024  # longest head that is looked at, and so remembered
LINE_BYTES = 1024  # longest request line; a name has 255 characters at most, a digest of SHA-512 has 135
LINES = 2048  # remembered; at a kilobyte each, or less
BLOCKS = 512  # remembered; clients of one kind send the same headers with each request
FIELDS = 64  # in one block; aiohttp takes 128

_LINE = re.compile(rb"(GET|HEAD) (/v2/[a-z0-9._/-]+/(?:manifests|blobs)/[A-Za-z0-9._:+=-]+) HTTP/1\.1")
_BLOCK = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n)+\r\n")  # RFC 9112, section 5; ASCII only
# Whatever asks for more than the plain answer, or frames the message.
_SPECIAL = frozenset(
    {"connection", "expect", "keep-alive", "http2-settings", "proxy-connection", "range", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
_SPECIAL_PREFIXES = ("content-", "if-", "sec-websocket-")


class _Target(msgspec.Struct, frozen=True, gc=False):
    """What a request line asks for."""

    method: str
    path: str
    place: Place


class Lane:
    """Answers what is plain and can be answered at once; a client that takes nothing is cut off after the timeout."""

    def __init__(self, entry: Entry, stall_timeout: float) -> None:
        self._entry = entry
        self._stall_timeout = stall_timeout
        self._targets = Memory(self._parse_line, LINES)
        self._blocks = Memory(_parse_block, BLOCKS)
        self._remembered = Remembered()
        self._flushing: set[asyncio.Task[None]] = set()

    def take(self, connection: RequestHandler, data: bytes) -> bool:
        """Answer `data`, which begins a request, and return True; or do nothing: then aiohttp has to read it."""
        if len(data) > HEAD_BYTES or data.find(END) != len(data) - len(END) or not self._may_write(connection):
            return False
        if (moment := self._entry.snapshot()) is None:
            return False
        started = time.perf_counter()
        known = self._remembered.recall(data, moment)
        if known is None:
            return self._answer(connection, data, started)
        call = self._call(connection, known.call.method, known.call.target, known.call.headers)
        call.resemble(known.call)
        self._write(connection, call, known.head(call.id), known.answer)
        self._entry.tell(call, known.answer.status, started)
        return True

    def _answer(self, connection: RequestHandler, data: bytes, started: float) -> bool:
        line, _, block = data.partition(b"\r\n")
        target = self._targets[line] if len(line) <= LINE_BYTES else None
        if target is None or (headers := self._blocks[block]) is None:
            return False
        call = self._call(connection, target.method, target.path, headers)
        answer = self._run(call, target.place)
        if answer is None:
            return False
        head = _serialize_headers(_status_line(answer.status), responses.complete(answer, call.id, call.target))  # type: ignore[arg-type] # any mapping does
        self._write(connection, call, head, answer)
        self._entry.tell(call, answer.status, started)
        # What is sent of a blob depends on a file, too.
        if answer.status == HTTPStatus.OK and isinstance(target.place.route, ManifestPath):
            self._remembered.keep(data, call, answer, head)
        return True

    def _run(self, call: Call, place: Place) -> Answer | None:
        """Return the answer that comes at once, or None: aiohttp's turn, and whatever was wrong comes again."""
        try:
            handling = self._entry.answer_at(place, call)
            handling.send(None)
        except StopIteration as done:
            return done.value if isinstance(done.value, Answer) else None
        except ClientError as error:
            return responses.render_error(error, call.id, call.upload_path)
        except Exception:  # noqa: BLE001
            return None
        handling.close()
        return None

    def _call(self, connection: RequestHandler, method: str, path: str, headers: MultiMapping[str]) -> Call:
        peer = connection.peername[0] if isinstance(connection.peername, tuple) else None
        return self._entry.call(method, path, headers, peer)

    def _parse_line(self, line: bytes) -> _Target | None:
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        method, path = found[1].decode(), found[2].decode()
        try:
            place = self._entry.place(path)
        except ClientError:
            return None
        return _Target(method, path, place) if isinstance(place.route, ManifestPath | BlobPath) else None

    def _may_write(self, connection: RequestHandler) -> bool:
        """Tell whether the connection waits for a request, and has nothing left to send."""
        waiter, transport = connection._waiter, connection.transport
        return (
            waiter is not None
            and not waiter.done()
            and transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() == 0
            and not self._entry.stopping.is_set()
        )

    def _write(self, connection: RequestHandler, call: Call, head: bytes, answer: Answer) -> None:
        transport = connection.transport
        assert transport is not None
        transport.writelines((head,) if answer.body is None or call.wants_head_only else (head, answer.body))
        call.count(answer)
        connection._request_count += 1
        connection._next_keepalive_close_time = connection._loop.time() + connection._keepalive_timeout
        if connection.writing_paused:
            task = connection._loop.create_task(self._flush(connection, transport))
            self._flushing.add(task)
            task.add_done_callback(self._flushing.discard)

    async def _flush(self, connection: RequestHandler, transport: asyncio.Transport) -> None:
        """Wait until the client has taken most of an answer, as every other handler does."""
        with self._entry.under_way(), StallGuard(transport, self._stall_timeout), contextlib.suppress(ConnectionError):
            await connection._drain_helper()


def _parse_block(block: bytes) -> CIMultiDict[str] | None:
    """Return the headers of a plain request; None when they are not plain, or there is no Host among them."""
    if _BLOCK.fullmatch(block) is None:
        return None
    headers: CIMultiDict[str] = CIMultiDict()
    for field in block.decode("ascii").split("\r\n")[:-2]:
        name, _, text = field.partition(":")
        headers.add(name, text.strip(" \t"))
    names = {name.lower() for name in headers}
    if headers.get("Connection", "").lower() == "keep-alive":  # what HTTP/1.1 does anyway
        names.remove("connection")
    special = names & _SPECIAL or any(name.startswith(_SPECIAL_PREFIXES) for name in names)
    plain = not special and len(set(headers)) == len(headers) <= FIELDS and "host" in names
    return headers if plain else None


@cache
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
