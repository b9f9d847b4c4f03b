# SPDX-License-Identifier: Apache-2.0
"""What clients were told, and what may therefore be there.

1. A register is a thing that has one value at a time: a tag (a digest, or None), a manifest or a blob in a repository
   (its digest, or None).
2. A write that was answered has happened. One whose answer was never heard may have happened, at any time until the
   server died.
3. Of two answered writes the one that began after the other had ended counts. Writes that overlap may have happened
   in either order.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import NamedTuple


class Kind(StrEnum):
    """The kinds of registers."""

    TAG = "tag"
    MANIFEST = "manifest"
    BLOB = "blob"


class Register(NamedTuple):
    """A thing with one value: `name` is a tag's name or a digest."""

    kind: Kind
    repository: str
    name: str

    @property
    def path(self) -> str:
        """Where it is asked for."""
        place = "blobs" if self.kind is Kind.BLOB else "manifests"
        return f"/v2/{self.repository}/{place}/{self.name}"


@dataclass(eq=False, slots=True)
class Write:
    """An attempt to set a register; `ended` is None while it is under way."""

    value: str | None
    began: int
    ended: int | None = None
    heard: bool = False


Attempt = list[tuple[Register, Write]]


def _nothing_at_first() -> list[Write]:
    return [Write(None, -2, -1, heard=True)]


@dataclass
class Ledger:
    """The writes of all clients; `on_heard` is called at each answer that makes writes count."""

    on_heard: Callable[[], None] = lambda: None
    acknowledged: int = 0
    touched: set[Register] = field(default_factory=set)
    _writes: dict[Register, list[Write]] = field(default_factory=dict)
    _clock: "count[int]" = field(default_factory=count)

    def now(self) -> int:
        """Return a time, later than any before."""
        return next(self._clock)

    def begin(self, values: Mapping[Register, str | None]) -> Attempt:
        """Note what a request that is about to be sent would set."""
        now = self.now()
        attempt = [(register, Write(value, now)) for register, value in values.items()]
        for register, write in attempt:
            self._writes.setdefault(register, _nothing_at_first()).append(write)
            self.touched.add(register)
        return attempt

    def heard(self, attempt: Attempt) -> None:
        """Note that a request was answered: done."""
        now = self.now()
        for _, write in attempt:
            write.ended, write.heard = now, True
        self.acknowledged += 1
        self.on_heard()

    def refused(self, attempt: Attempt) -> None:
        """Note that a request was answered: not done."""
        for register, write in attempt:
            self._writes[register].remove(write)

    def server_died(self) -> None:
        """Note that no write that is under way can happen any more."""
        now = self.now()
        for writes in self._writes.values():
            for write in writes:
                write.ended = now if write.ended is None else write.ended

    def allowed(self, register: Register, since: int | None = None) -> set[str | None]:
        """Return the values that a look which began at `since` (None: now) may find."""
        writes = self._writes.get(register, _nothing_at_first())
        before = self.now() if since is None else since
        done = [write.began for write in writes if write.heard and write.ended is not None and write.ended < before]
        latest = max(done, default=-2)  # what ended before this began is replaced
        return {write.value for write in writes if write.ended is None or write.ended >= latest}

    def is_surely(self, register: Register, value: str | None) -> bool:
        """Tell whether a register can have no other value."""
        return self.allowed(register) == {value}

    def observe(self, register: Register, value: str | None) -> None:
        """Note what was found while nothing was under way: of the possible values, this one it is."""
        now = self.now()
        self._writes[register] = [Write(value, now, now, heard=True)]

    def registers(self, kind: Kind, repository: str | None = None) -> Iterable[Register]:
        """Return the registers of a kind that were ever written to."""
        mine = (register for register in self._writes if register.kind is kind)
        return [register for register in mine if repository in {None, register.repository}]

    def all(self) -> list[Register]:
        """Return every register that was ever written to."""
        return list(self._writes)
