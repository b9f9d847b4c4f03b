# SPDX-License-Identifier: Apache-2.0
"""What is pulled, counted without writing (invariant 14).

1. Counts are gathered in memory and added to the database every few seconds, and when the server stops. What a crash
   loses of them is lost.
2. Only so many different things are counted between two writes; what comes to more is not counted, and logged.
3. A batch that could not be written is tried again with the next one. If the connection to PostgreSQL breaks in the
   middle of a commit, a batch may count twice.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from estiva.content.terms import Clock
from estiva.db import statistics
from estiva.db.engine import Database
from estiva.db.statistics import Count
from estiva.errors import EstivaError

EVERY = 10.0  # seconds between two writes
MOST = 50_000  # different things counted between two writes; some 500 bytes each
PRESSING = MOST // 2  # that many are written before their time
BATCH = 500  # per transaction, so that pushes do not wait for it

_log = structlog.get_logger("estiva.content")


class Statistics:
    """Counts pulls; a pull is a GET of a manifest. Every method belongs to the event loop's thread."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        # By repository, digest and tag: the number of pulls, of bytes, and the time of the last pull.
        self._counts: dict[tuple[int, str | None, str | None], list[int]] = {}
        self._uncounted = 0
        self._pressing = asyncio.Event()
        self._flushing = asyncio.Lock()

    def pulled(self, repository_id: int, digest: str, tag: str | None) -> None:
        """Count a pull of the manifest, by the tag or else by its digest."""
        count = self._counts.get((repository_id, digest, tag)) or self._begin(repository_id, digest, tag)
        count[0] += 1
        count[2] = self._clock()

    def sent(self, repository_id: int, count: int) -> None:
        """Count bytes of content that a client was sent."""
        bytes_sent = self._counts.get((repository_id, None, None)) or self._begin(repository_id, None, None)
        bytes_sent[1] += count

    def _begin(self, repository_id: int, digest: str | None, tag: str | None) -> list[int]:
        count = [0, 0, 0]
        if len(self._counts) >= MOST:
            self._uncounted += 1
            return count
        self._counts[repository_id, digest, tag] = count
        if len(self._counts) >= PRESSING:
            self._pressing.set()
        return count

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write the counts every few seconds until the block ends, and then the last of them."""
        running = asyncio.create_task(self._run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await self.flush()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._pressing.wait()
            # Not cut off in the middle: counts would be neither here nor there.
            if not await asyncio.shield(self.flush()):
                await asyncio.sleep(EVERY)

    async def flush(self) -> bool:
        """Write what was counted; False, with a line in the log, when some of it has to wait for the next time."""
        async with self._flushing:
            counts, self._counts = self._counts, {}
            uncounted, self._uncounted = self._uncounted, 0
            self._pressing.clear()
            if uncounted:
                _log.warning("pulls_not_counted", pulls=uncounted, most=MOST)
            return await self._write([_count(key, count) for key, count in counts.items()])

    async def _write(self, counts: list[Count]) -> bool:
        try:
            while counts:
                await self._db.note(statistics.add_counts, counts[:BATCH])
                del counts[:BATCH]
        except EstivaError as error:
            _log.warning("statistics_not_written", error=error.message)
            self._put_back(counts)
            return False
        except Exception:  # noqa: BLE001 - a fault of ours must not end all counting to come
            _log.exception("statistics_lost", counts=len(counts))
            return False
        return True

    def _put_back(self, counts: list[Count]) -> None:
        for count in counts:
            key = (count.repository_id, count.digest, count.tag)
            mine = self._counts.get(key) or self._begin(*key)
            mine[0] += count.pulls
            mine[1] += count.bytes_sent
            mine[2] = max(mine[2], count.last_pulled_at)


def _count(key: tuple[int, str | None, str | None], count: list[int]) -> Count:
    repository_id, digest, tag = key
    pulls, bytes_sent, last = count
    return Count(
        repository_id=repository_id, digest=digest, tag=tag, pulls=pulls, bytes_sent=bytes_sent, last_pulled_at=last
    )
