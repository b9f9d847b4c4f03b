# SPDX-License-Identifier: Apache-2.0
"""Where the processes of one server put their numbers, so that any of them can tell the sum.

1. The board is anonymous memory that is made before the processes and shared by them. Each writes to a slot of its
   own; the supervisor says which.
2. A slot has two halves, written in turn, each sealed by a digest. A process that is killed while it writes spoils one
   half; the one before it stands. A half that is read while it is written is not taken for a good one.
3. Whoever is given a slot that was used before goes on from its counters. What is shown is only ever read from the
   board, its own numbers included, so that nobody has seen more than a successor finds.
"""

import mmap
import struct
from hashlib import blake2b

import msgspec

from estiva.telemetry.tally import Gauges, Tally

SLOTS = 65  # the supervisor's, and those of eight generations of eight workers
HALF = 256 * 1024  # bytes; every endpoint with every method and thirty statuses takes half of it
ATTEMPTS = 8  # at reading a slot whose owner writes at the same time

_HEADER = struct.Struct("<QI16s")  # sequence, length, digest
_EMPTY = (0, b"")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Tally)


class Board:
    """The slots of one server."""

    def __init__(self, slots: int = SLOTS) -> None:
        self._memory = mmap.mmap(-1, slots * 2 * HALF)
        self._known = [(0, Tally()) for _ in range(slots)]

    def write(self, slot: int, tally: Tally) -> None:
        """Put the numbers of the slot's owner in the place of the earlier ones."""
        payload = _encoder.encode(tally)
        if len(payload) > HALF - _HEADER.size:
            return  # the earlier ones stay: no counter goes back
        sequence = self._newest(slot) + 1
        place = self._place(slot, sequence % 2)
        header = _HEADER.pack(sequence, len(payload), _seal(sequence, payload))
        self._memory[place + _HEADER.size : place + _HEADER.size + len(payload)] = payload
        self._memory[place : place + _HEADER.size] = header

    def read(self, slot: int) -> Tally:
        """Return the last numbers of a slot."""
        for _ in range(ATTEMPTS):
            halves = (self._half(slot, 0), self._half(slot, 1))
            if None not in halves:
                break  # or else somebody writes, and the other half may be an old one by now
        sequence, payload = max((half for half in halves if half is not None), default=_EMPTY)
        if sequence > self._known[slot][0]:
            self._known[slot] = sequence, _decoder.decode(payload)
        return self._known[slot][1]

    def read_all(self) -> list[Tally]:
        """Return the last numbers of every slot, the supervisor's first."""
        return [self.read(slot) for slot in range(len(self._known))]

    def bury(self, slot: int) -> None:
        """Keep the counters of a process that is dead, and nothing else of it."""
        tally = self.read(slot)
        tally.gauges, tally.pid = Gauges(), 0
        self.write(slot, tally)

    def _place(self, slot: int, half: int) -> int:
        return (slot * 2 + half) * HALF

    def _newest(self, slot: int) -> int:
        halves = (self._half(slot, 0), self._half(slot, 1))
        return max((half[0] for half in halves if half is not None), default=0)

    def _half(self, slot: int, half: int) -> tuple[int, bytes] | None:
        """Return sequence and payload of a half, if it is whole; nobody has written to one of sequence 0."""
        place = self._place(slot, half)
        sequence, length, seal = _HEADER.unpack_from(self._memory, place)
        if sequence == 0:
            return _EMPTY
        payload = self._memory[place + _HEADER.size : place + _HEADER.size + min(length, HALF)]
        return (sequence, payload) if _seal(sequence, payload) == seal else None


def _seal(sequence: int, payload: bytes) -> bytes:
    return blake2b(payload, digest_size=16, salt=sequence.to_bytes(8, "little")).digest()
