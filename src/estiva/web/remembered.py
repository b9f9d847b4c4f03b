# SPDX-License-Identifier: Apache-2.0
"""What the lane remembers from one request to the next."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from estiva.web.call import Call
from estiva.web.responses import Answer

ANSWERS = 1024  # most that are remembered at once
ROOM = 8 * 1024 * 1024  # bytes of requests and bodies that they may have together
LARGEST = 64 * 1024  # bytes of one; few manifests have more, and writing one out takes longer than finding it

_ID = b"\r\nX-Request-Id: "

Moment = tuple[int, int]
"""A state of the database, and a second of the clock."""

K = TypeVar("K")
V = TypeVar("V")


class Memory(dict[K, V], Generic[K, V]):
    """Remembers at most `most` results of `make`; when it is full it begins anew."""

    def __init__(self, make: Callable[[K], V], most: int) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, key: K) -> V:
        if len(self) >= self._most:
            self.clear()
        made = self[key] = self._make(key)
        return made


class Known(msgspec.Struct, frozen=True):
    """An answer and the call that it was given to; its head, before and after the request id."""

    call: Call
    answer: Answer
    before: bytes
    after: bytes

    def head(self, request_id: str) -> bytes:
        """Return the head of the same answer to another request."""
        return b"%b%b%b" % (self.before, request_id.encode(), self.after)


class Remembered:
    """Answers by the bytes of their requests, as long as giving them again would give the same.

    That is for a moment: while the database is in the same state, so that every row by which they were given is as it
    was, and the clock shows the same second, which stands in the answer; so what runs out ends a second late at most.
    """

    def __init__(self) -> None:
        self._answers: dict[bytes, Known] = {}
        self._room = ROOM
        self._moment: Moment | None = None

    def recall(self, request: bytes, moment: Moment) -> Known | None:
        """Return the answer that these bytes got before in the same moment."""
        if moment != self._moment:
            self._moment, self._room = moment, ROOM
            self._answers.clear()
        return self._answers.get(request)

    def keep(self, request: bytes, call: Call, answer: Answer, head: bytes) -> None:
        """Remember an answer that `recall` did not know in this callback, unless there is no room for it."""
        size = len(answer.body or b"") + len(head) + 2 * len(request)  # once as bytes, once parsed
        if size > min(LARGEST, self._room) or len(self._answers) >= ANSWERS:
            return
        self._room -= size
        before, _, rest = head.partition(_ID)
        self._answers[request] = Known(call, answer, before + _ID, rest[len(call.id) :])
