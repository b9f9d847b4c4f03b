# SPDX-License-Identifier: Apache-2.0
"""Chunked bodies, read."""

import re

LINE = 8 * 1024
"""Bytes of a line between chunks, and of all trailers behind them."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;.*)?", re.DOTALL)  # RFC 9112, section 7.1


class Chunks:
    """Reads a chunked body (RFC 9112, section 7.1) from pieces of any size; `done` at its end.

    It holds back no more than the line that it is in.
    """

    def __init__(self) -> None:
        self.done = False
        self._left = 0  # bytes of the chunk at hand that are still to come
        self._line = b""  # as far as it has come
        self._take = self._take_size  # takes the next line
        self._trailers = 0

    def feed(self, data: bytes) -> list[memoryview]:
        """Return the pieces of content in `data`. Raises ValueError, with what is wrong, when it is not chunked."""
        view, content, at = memoryview(data), [], 0
        while at < len(data):
            if self.done:
                raise ValueError("bytes came behind its end")
            if self._left:
                content.append(view[at : at + self._left])
                at += len(content[-1])
                self._left -= len(content[-1])
            else:
                at = self._read_line(data, at)
        return content

    def _read_line(self, data: bytes, start: int) -> int:
        """Read a line as far as it has come, and return where that is."""
        end = data.find(b"\n", start) + 1 or len(data)
        self._line += data[start:end]
        if len(self._line) > LINE:
            raise ValueError(f"a line between chunks has no end within {LINE} bytes")
        if self._line.endswith(b"\r\n"):
            line, self._line = self._line[:-2], b""
            self._take(line)
        elif self._line.endswith(b"\n"):
            raise ValueError(f"{self._line[:20]!r} is no line")
        return end

    def _take_size(self, line: bytes) -> None:
        if not (found := _SIZE.fullmatch(line)):
            raise ValueError(f"{line[:20]!r} is not the size of a chunk")
        self._left = int(found[1], 16)
        self._take = self._take_end if self._left else self._take_trailer

    def _take_end(self, line: bytes) -> None:
        if line:
            raise ValueError("a chunk is longer than its size")
        self._take = self._take_size

    def _take_trailer(self, line: bytes) -> None:
        self.done = not line
        self._trailers += len(line)
        if self._trailers > LINE:
            raise ValueError(f"more than {LINE} bytes of trailers came")
