# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a body stand among the bytes of a connection, without I/O (RFC 9112, sections 6 and 7.1).

1. A framing is chosen by what aiohttp's parser made of the head, never by our own reading of it.
2. Only what every sender of bulk writes is decoded here: chunks with a plain size. Whatever else stands between
   chunks (the last chunk, trailers, extensions, nonsense) is left to aiohttp's parser, which has seen nothing of the
   body and so takes a chunk's start for the body's. What a body is, and what is none, it alone decides.
"""

import re
from typing import Protocol

Span = tuple[int, int]

# Fifteen digits cannot overflow 64 bits. After a chunk's bytes comes the end of their line, then the next size.
_SIZE = rb"(?:0{1,15}\r\n\r\n|([0-9a-fA-F]{1,15})\r\n)"
_FIRST = re.compile(_SIZE)
_NEXT = re.compile(rb"\r\n" + _SIZE)
_SIZE_PART = rb"(?:[0-9a-fA-F]{0,15}\r?|0{1,15}\r\n\r?)"
_FIRST_PART = re.compile(_SIZE_PART)
_NEXT_PART = re.compile(rb"\r?|\r\n" + _SIZE_PART)
_LONGEST = 21  # bytes that _NEXT can match


class FramingError(Exception):
    """The bytes are no body of this framing, and nobody can tell where the next request begins."""


class Framing(Protocol):
    """Finds the bytes of one body.

    Once `ended`, there are no more. `end` holds the bytes that aiohttp's parser has to judge, `beyond` those behind.
    `plain` tells that `end` is the end of the body and nothing else, so that the next byte begins a request.
    """

    ended: bool
    plain: bool
    end: bytes
    beyond: bytes

    def split(self, data: memoryview, span: Span, found: list[Span], most: int) -> int:
        """Look at `data` in `span`, and add to `found` at most `most` spans of body bytes.

        Returns how far it came: the end of `span` unless `most` were found. Raises FramingError.
        """


class Counted:
    """A body of so many bytes (Content-Length)."""

    def __init__(self, length: int) -> None:
        self._missing = length
        self.ended, self.plain = False, True
        self.end = self.beyond = b""

    def split(self, data: memoryview, span: Span, found: list[Span], most: int) -> int:
        """Take all bytes until enough have come."""
        start, stop = span
        end = min(stop, start + self._missing)
        if end > start:
            found.append((start, end))
        self._missing -= end - start
        if not self._missing:
            self.ended, self.beyond = True, bytes(data[end:stop])
        return stop


class Chunked:
    """A body in chunks (Transfer-Encoding), up to the first that is not plain: the last one, at the latest."""

    def __init__(self) -> None:
        self._missing = 0  # bytes of the present chunk
        self._line = b""  # what came of the line before the next one
        self._begun = False
        self._last = (b"", 0)  # a whole line and its size: the next one is likely to be the same
        self.ended = self.plain = False
        self.end = self.beyond = b""

    def split(self, data: memoryview, span: Span, found: list[Span], most: int) -> int:
        """Take the bytes of plain chunks."""
        position, stop = span
        count = 0
        while position < stop:
            if not self._missing:
                line, size = self._last
                if not self._line and bytes(data[position : min(stop, position + len(line))]) == line != b"":
                    position, self._missing = position + len(line), size
                else:
                    position = self._next_chunk(data, position, stop)
            elif count == most:
                break
            else:
                end = min(stop, position + self._missing)
                found.append((position, end))
                count += 1
                self._missing -= end - position
                position = end
        return position

    def _next_chunk(self, data: memoryview, position: int, stop: int) -> int:
        """Read a line with a size; return where its chunk begins."""
        line = self._line + bytes(data[position : min(stop, position + _LONGEST)])
        match = (_NEXT if self._begun else _FIRST).match(line)
        size = int(match[1], 16) if match is not None and match[1] is not None else 0
        if match is not None and size:
            position += match.end() - len(self._line)
            if self._begun:
                self._last = (line[: match.end()], size)
            self._line, self._begun, self._missing = b"", True, size
            return position
        if match is None or match[1] is not None:
            if (_NEXT_PART if self._begun else _FIRST_PART).fullmatch(line):
                self._line = line
                return stop
            self._leave(self._line + bytes(data[position:stop]), None)
        else:
            self._leave(self._line + bytes(data[position:stop]), match.end())
        return stop

    def _leave(self, rest: bytes, end: int | None) -> None:
        """Leave the rest to aiohttp, whose parser has seen neither the last chunk nor the end of its line."""
        if self._begun and not rest.startswith(b"\r\n"):
            raise FramingError("a chunk is longer than its size says")
        begin = 2 if self._begun else 0
        self.end, self.beyond = rest[begin:end], b"" if end is None else rest[end:]
        self.ended, self.plain = True, end is not None
