# SPDX-License-Identifier: Apache-2.0
"""Rounds of: start, let clients push, kill -9, take stock, start again, look."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from harness.audit import Row, Stock
from harness.client import Client, client_session
from harness.process import ServerProcess

from .ledger import Ledger
from .pushers import Pusher
from .uploads import Piece
from .verify import Verifier, resume_uploads

CLIENTS = 6
LONGEST = 1.5  # seconds from the first request to the kill

# The sweeper is at work all the time, so that kills hit it too.
SETTINGS = {"ESTIVA_STORAGE_SWEEP_EVERY": "100ms", "ESTIVA_STORAGE_OBJECT_DELAY": "0s"}

ReadTables = Callable[[], Awaitable[dict[str, list[Row]]]]


def chosen_seed() -> int:
    """Return ESTIVA_TEST_SEED, or a seed that was never used."""
    return int(os.environ.get("ESTIVA_TEST_SEED") or time.time_ns() % 2**32)


@dataclass
class Tally:
    """What a run has done."""

    kills: int = 0
    acknowledged: int = 0
    resumed: int = 0
    registers: int = 0


@dataclass
class Run:
    """A server, its clients, and what they were told; everything random comes from `draw`.

    `lose_power`, if given, takes from the disk what was not synced. Then a part of an upload may be lost, and an object
    may be left that no row names: neither was ever acknowledged as stored.
    """

    server: ServerProcess
    read_tables: ReadTables
    draw: random.Random
    lose_power: Callable[[], None] | None = None
    ledger: Ledger = field(default_factory=Ledger)
    tally: Tally = field(default_factory=Tally)
    common: list[Piece] = field(default_factory=list)
    pushers: list[Pusher] = field(default_factory=list)
    checked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.common += [Piece.of(self.draw.randbytes(size)) for size in (0, 3, 60_000, 1_200_000)]
        self.pushers += [
            Pusher(number, random.Random(self.draw.random()), self.ledger, self.common) for number in range(CLIENTS)
        ]

    async def kills(self, count: int) -> Tally:
        """Kill the server `count` times, and check everything after each."""
        await self.server.start()
        for _ in range(count):
            self._renew_common_layers()
            await self._push_until_killed()
            self.tally.kills += 1
            await self.take_stock()
            await self.server.start()
            await self.look(complete=False)
        await self.look(complete=True)
        return self.tally

    def _renew_common_layers(self) -> None:
        """Let all clients meet over two layers that the registry does not have."""
        self.common[4:] = [Piece.of(self.draw.randbytes(size)) for size in (900_000, 5_000)]

    async def _push_until_killed(self) -> None:
        """Kill after a time, or at the very moment at which a client hears that its push is done."""
        goal = self.draw.choice([None, self.draw.randint(1, 80)])
        start = self.ledger.acknowledged

        def kill_at_goal() -> None:
            if goal is not None and self.ledger.acknowledged - start >= goal:
                self.server.signal(signal.SIGKILL)
                self.ledger.on_heard = lambda: None

        self.ledger.on_heard = kill_at_goal
        async with connected(self.server.base) as client:
            working = [asyncio.create_task(pusher.work(client)) for pusher in self.pushers]
            await asyncio.wait(working, timeout=self.draw.uniform(0.02, LONGEST), return_when=asyncio.FIRST_EXCEPTION)
            self.ledger.on_heard = lambda: None
            await self.server.kill9()
            if self.lose_power is not None:
                self.lose_power()
            await asyncio.gather(*working)
        self.ledger.server_died()
        self.tally.acknowledged = self.ledger.acknowledged

    async def take_stock(self) -> None:
        """Check rows and objects while the server is down."""
        stock = Stock(await self.read_tables(), self.server.data / "blobs", self.checked)
        assert [fault for fault in stock.faults() if not self._is_allowed(fault)] == []

    def _is_allowed(self, fault: str) -> bool:
        return self.lose_power is not None and fault.endswith("has no row")

    async def look(self, *, complete: bool) -> None:
        """Check over HTTP what clients were told, and finish what was broken off."""
        async with connected(self.server.base) as client:
            verifier = Verifier(client, self.ledger)
            await verifier.after_crash(self.draw)
            if self.lose_power is not None:
                self._forget_uploads()
            resumed = [await resume_uploads(client, self.ledger, pusher) for pusher in self.pushers]
            self.tally.resumed += sum(resumed)
            if complete:
                self.tally.registers = await verifier.everything()

    def _forget_uploads(self) -> None:
        for pusher in self.pushers:
            pusher.unfinished.clear()


@asynccontextmanager
async def connected(base: str) -> AsyncIterator[Client]:
    """Connect with as many connections as there are requests under way."""
    async with client_session() as session:
        yield Client(base, session)
