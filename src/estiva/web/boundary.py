# SPDX-License-Identifier: Apache-2.0
"""Where requests begin in what a connection receives.

Whoever looks at bytes before aiohttp's parser does has to know that they begin a request. The parser does not tell
whether it is in the middle of one; and the rest of a head, taken for a request, is request smuggling.
"""

from collections.abc import Sequence

from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import _ErrInfo

END = b"\r\n\r\n"  # of a head


def head_length(data: bytes) -> int:
    """Return how many bytes of `data` belong to the head that it begins with, or goes on with."""
    end = data.find(END)
    return len(data) if end < 0 else end + len(END)


class Boundary:
    """Counts the bytes of a connection, from its beginning, as long as they are plain enough for that.

    They are not any more, for good, once a head comes in pieces, a body in chunks, or requests with bodies one right
    after the other. Lengths of bodies are those that the parser found.
    """

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: int | None = 0  # bytes that a body still lacks; None: nobody knows

    @property
    def here(self) -> bool:
        """Whether the next byte is known to begin a request."""
        return self._due == 0

    def pass_over(self, data: bytes, parsed: Sequence[tuple[RawRequestMessage | _ErrInfo, StreamReader]]) -> None:
        """Note what the parser was given, and the messages that it found in that."""
        if self._due is None or not data:
            return
        if self._due:
            self._due = None if parsed or len(data) > self._due else self._due - len(data)
        elif len(parsed) == 1:
            self._due = _lacking(data, parsed[0][0])
        else:
            plain = all(isinstance(message, RawRequestMessage) and _length(message) == 0 for message, _ in parsed)
            self._due = 0 if plain and data.endswith(END) and data.count(END) == len(parsed) else None


def _lacking(data: bytes, message: RawRequestMessage | _ErrInfo) -> int | None:
    """Return how many bytes of its body a message still lacks that begins with `data`; None when nobody knows."""
    length = _length(message) if isinstance(message, RawRequestMessage) else None
    end = data.find(END)
    # What stands before a request line, or ends lines in another way, is the parser's to understand.
    if length is None or end < 0 or not data[:1].isalpha() or data.count(b"\n", 0, end) != data.count(b"\r\n", 0, end):
        return None
    lacking = end + len(END) + length - len(data)
    return lacking if lacking >= 0 else None


def _length(message: RawRequestMessage) -> int | None:
    if message.chunked or message.upgrade:
        return None
    return int(message.headers.get("Content-Length", "0"))
