# SPDX-License-Identifier: Apache-2.0
"""Run a server until it is told to stop."""

import asyncio
import contextlib
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor

import structlog
import uvloop

from estiva.app.announce import announce
from estiva.app.compose import Adapters, build_entry, build_sweeper
from estiva.app.data_directory import DataDirectory
from estiva.app.pairing import pair
from estiva.app.sockets import BACKLOG, listen
from estiva.blobstore import FilesystemStore
from estiva.config import Settings
from estiva.content.terms import Terms, system_clock
from estiva.db import uploads
from estiva.db.opening import open_database, prepare_database
from estiva.options.server import OpenMode
from estiva.telemetry.access import open_access_log
from estiva.telemetry.logs import configure_logging
from estiva.telemetry.metrics import Metrics
from estiva.web.entry import Entry
from estiva.web.server import Server

POOL_THREADS = 8  # they hash, write and sync; more than the cores, since a sync only waits
CLOSE_TIMEOUT = 1.0  # seconds that idle connections get to close

_log = structlog.get_logger("estiva")


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OperatorError when it cannot begin."""
    configure_logging(settings.log, sys.stderr)
    _take_descriptors()
    with DataDirectory(settings.server.data, settings.server.database) as directory:
        sockets = listen(settings.server.host, settings.server.port)
        with ThreadPoolExecutor(POOL_THREADS, "estiva-bytes") as pool:
            uvloop.run(_serve(settings, directory, sockets, pool))


def _take_descriptors() -> None:
    """Take as many file descriptors as the system allows: the usual soft limit of 1024 is for users of select(2)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(settings: Settings, directory: DataDirectory, sockets: list[socket.socket], pool: Executor) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _adapters(settings, directory, pool) as adapters:
        entry = build_entry(settings, adapters)
        server = Server(entry, settings.limits)
        await server.accept(sockets, BACKLOG)
        sweeping = asyncio.create_task(build_sweeper(settings, adapters).run())
        announce(settings, sockets[0].getsockname()[1], sys.stdout)
        if settings.server.open is OpenMode.ANYWHERE:
            _log.warning(
                "open_anywhere", meaning="no authentication: anyone who reaches this server may push and delete"
            )
        await stop.wait()
        sweeping.cancel()
        server.stop_accepting()
        await _drain(entry, settings.limits.drain_timeout)
        await server.close(CLOSE_TIMEOUT)
    _log.info("stopped")


@contextlib.asynccontextmanager
async def _adapters(settings: Settings, directory: DataDirectory, pool: Executor) -> AsyncIterator[Adapters]:
    location = settings.server.database or str(directory.database)
    await prepare_database(location)
    metrics = Metrics()
    db = await open_database(location, most=settings.limits.writes, observer=metrics)
    try:
        store = FilesystemStore.open(directory.blobs, pool, min_free=settings.storage.min_free)
        await pair(db, store, directory.blobs)
        # This process holds both alone: whoever was writing to an upload before it is dead.
        await db.note(uploads.clear_leases)
        yield Adapters(
            db=db,
            store=store,
            pool=pool,
            terms=Terms(system_clock, settings.storage),
            metrics=metrics,
            access=open_access_log(settings.log, sys.stdout, asyncio.get_running_loop().call_soon),
        )
    finally:
        await db.close()


async def _drain(entry: Entry, limit: float) -> None:
    """Let the requests under way finish."""
    entry.stopping.set()
    _log.info("stopping", limit=limit)
    try:
        async with asyncio.timeout(limit):
            await entry.idle()
    except TimeoutError:
        _log.warning("requests_cut_off", after=limit)
