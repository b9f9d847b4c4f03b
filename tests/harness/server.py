# SPDX-License-Identifier: Apache-2.0
"""A registry inside the test's own process, with a clock that the test sets."""

import contextlib
import dataclasses
import io
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from estiva.app.compose import Adapters, build_entry, build_sweeper
from estiva.app.sockets import BACKLOG, listen
from estiva.blobstore import BlobStore, FilesystemStore
from estiva.config import Settings
from estiva.content.statistics import Statistics
from estiva.content.terms import Terms
from estiva.db.engine import Database
from estiva.jobs.sweeper import Sweeper
from estiva.options.log import LogOptions
from estiva.telemetry.access import open_access_log
from estiva.telemetry.metrics import Metrics
from estiva.web.server import Server
from harness.databases import prepared
from harness.switches import switched


class Clock:
    """Milliseconds since the epoch, standing still until moved."""

    def __init__(self) -> None:
        self._now = time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += int(seconds * 1000)


@dataclasses.dataclass(frozen=True)
class Registry:
    """A running registry and what it stands on."""

    base: str
    port: int
    data: Path
    clock: Clock
    db: Database
    store: BlobStore
    sweeper: Sweeper
    statistics: Statistics
    log: io.StringIO
    server: Server


@contextlib.asynccontextmanager
async def serve(data: Path, settings: Settings | None = None, database: str | None = None) -> AsyncIterator[Registry]:
    settings = switched(settings or Settings())
    clock, log = Clock(), io.StringIO()
    data.mkdir(exist_ok=True)
    (data / "blobs").mkdir(exist_ok=True)
    metrics = Metrics()
    db = await prepared(database or str(data / "estiva.db"), settings.limits.writes, metrics)
    with ThreadPoolExecutor(4) as pool:
        adapters = Adapters(
            db=db,
            store=FilesystemStore.open(data / "blobs", pool, min_free=settings.storage.min_free),
            pool=pool,
            terms=Terms(clock, settings.storage),
            statistics=Statistics(db, clock),
            metrics=metrics,
            access=open_access_log(LogOptions(), log),
        )
        server = Server(build_entry(settings, adapters), settings.limits)
        sockets = listen("127.0.0.1", 0)
        await server.accept(sockets, BACKLOG)
        port = sockets[0].getsockname()[1]
        try:
            yield Registry(
                base=f"http://127.0.0.1:{port}",
                port=port,
                data=data,
                clock=clock,
                db=db,
                store=adapters.store,
                sweeper=build_sweeper(settings, adapters),
                statistics=adapters.statistics,
                log=log,
                server=server,
            )
        finally:
            server.stop_accepting()
            await server.close(0.1)
            await db.close()
