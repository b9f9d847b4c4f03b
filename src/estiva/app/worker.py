# SPDX-License-Identifier: Apache-2.0
"""A worker: one process with one event loop, which serves until it is told to end."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog
import uvloop

from estiva.app.children import FAILED
from estiva.app.compose import Adapters, build_entry, build_sweeper
from estiva.app.data_directory import DataDirectory
from estiva.app.orders import Orders
from estiva.app.sockets import BACKLOG, Listeners
from estiva.blobstore import FilesystemStore
from estiva.config import Settings
from estiva.content.statistics import Statistics
from estiva.content.terms import Terms, system_clock
from estiva.db import uploads
from estiva.db.opening import open_database
from estiva.errors import EstivaError
from estiva.jobs.election import Elected
from estiva.telemetry.access import open_access_log
from estiva.telemetry.board import Board
from estiva.telemetry.metrics import Metrics
from estiva.telemetry.watchdog import Watchdog
from estiva.web.entry import Entry
from estiva.web.server import Server

POOL_THREADS = 8  # they hash, write and sync; more than the cores, since a sync only waits
CLOSE_TIMEOUT = 0.25  # seconds that handlers get to end once they are told to, and then to be cancelled
PUBLISH_EVERY = 1.0  # seconds
LOOK_EVERY = 0.05  # seconds between two looks at whether clients have left

_log = structlog.get_logger("estiva")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What one worker is given: the seat at `position`, one of `seats`.

    `holder` names it in leases; `departed` are dead ones that held leases.
    """

    settings: Settings
    directory: DataDirectory
    listeners: Listeners
    position: int
    seats: int
    board: Board
    slot: int
    holder: str
    departed: tuple[str, ...]


def work(assignment: Assignment, channel: socket.socket) -> int:
    """Serve until told to end, and return the exit code."""
    try:
        with ThreadPoolExecutor(POOL_THREADS, "estiva-bytes") as pool:
            uvloop.run(_work(assignment, channel, pool))
    except EstivaError as error:
        _log.error("worker_failed", process=os.getpid(), error=error.message)
        return FAILED
    return 0


async def _work(assignment: Assignment, channel: socket.socket, pool: Executor) -> None:
    orders = Orders(channel)
    async with _adapters(assignment, pool) as adapters:
        await _free_departed(assignment, adapters)
        entry = build_entry(assignment.settings, adapters)
        server = Server(entry, assignment.settings.limits)
        seats = _Seats(assignment, server)
        orders.follow(
            {
                "free": lambda holder: adapters.db.note(uploads.clear_leases_of, holder),
                "adopt": lambda position: seats.take(int(position)),
            }
        )
        sweeper = build_sweeper(assignment.settings, adapters)
        async with _measured(adapters.metrics):
            orders.say_ready()
            if await orders.told_to_serve():
                await seats.take(assignment.position)
                await _serve(orders, Elected(assignment.directory.jobs, sweeper.run))
            seats.leave()
            await _drain(orders, server, entry, assignment.settings.limits.drain_timeout)
            await server.close(CLOSE_TIMEOUT)


async def _serve(orders: Orders, elected: Elected) -> None:
    """Take part in running the jobs, until told to end."""
    async with _beside(elected.run()):
        await orders.told_to_end()


async def _free_departed(assignment: Assignment, adapters: Adapters) -> None:
    for holder in assignment.departed:
        try:
            await adapters.db.note(uploads.clear_leases_of, holder)
        except EstivaError as error:  # no reason not to serve: leases run out by themselves
            _log.warning("leases_not_freed", holder=holder, error=error.message)


class _Seats:
    """The seats whose connections this worker accepts: its own, and those of workers that do not start."""

    def __init__(self, assignment: Assignment, server: Server) -> None:
        self._assignment = assignment
        self._server = server
        self._taken: set[int] = set()

    async def take(self, position: int) -> None:
        """Accept the connections of a seat, unless that is so or the worker is ending."""
        if position not in self._taken:
            self._taken.add(position)
            sockets = self._assignment.listeners.of(position, self._assignment.seats)
            await self._server.accept(sockets, BACKLOG)

    def leave(self) -> None:
        """Accept no more, and let go of all sockets."""
        self._taken.update(range(self._assignment.seats))
        self._server.stop_accepting()
        self._assignment.listeners.close()


@contextlib.asynccontextmanager
async def _adapters(assignment: Assignment, pool: Executor) -> AsyncIterator[Adapters]:
    settings, directory = assignment.settings, assignment.directory
    metrics = Metrics(assignment.board, assignment.slot)
    db = await open_database(
        settings.server.database or str(directory.database),
        most=settings.limits.writes,
        observer=metrics,
        processes=assignment.seats,
    )
    try:
        statistics = Statistics(db, system_clock)
        async with statistics.running():
            yield Adapters(
                db=db,
                store=FilesystemStore(directory.blobs, pool, min_free=settings.storage.min_free),
                pool=pool,
                terms=Terms(system_clock, settings.storage, assignment.holder),
                statistics=statistics,
                metrics=metrics,
                access=open_access_log(settings.log, sys.stdout, asyncio.get_running_loop().call_soon),
            )
    finally:
        await db.close()


@contextlib.asynccontextmanager
async def _measured(metrics: Metrics) -> AsyncIterator[None]:
    """Tell the numbers of this process every second, and once more at the end."""
    metrics.serving(1)
    metrics.publish()
    watchdog = Watchdog(metrics)
    watchdog.start()
    async with _beside(_publish(metrics)):
        yield
    watchdog.stop()
    metrics.serving(0)
    metrics.publish()


async def _publish(metrics: Metrics) -> None:
    while True:
        metrics.publish()
        await asyncio.sleep(PUBLISH_EVERY)


@contextlib.asynccontextmanager
async def _beside(work_beside: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something else beside, until the block ends."""
    task = asyncio.create_task(work_beside)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _drain(orders: Orders, server: Server, entry: Entry, limit: float) -> None:
    """Let the requests under way finish, and clients that keep their connections hear that they are to close them."""
    entry.stopping.set()
    _log.info("stopping" if orders.stop.is_set() else "retiring", limit=limit, process=os.getpid())
    leaving = asyncio.create_task(_see_off(server, entry, limit))
    stopping = asyncio.create_task(orders.stop.wait())
    await asyncio.wait([leaving, stopping], return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    stopping.cancel()
    try:
        async with asyncio.timeout(limit):
            await entry.idle()
    except TimeoutError:
        _log.warning("requests_cut_off", after=limit, process=os.getpid())


async def _see_off(server: Server, entry: Entry, limit: float) -> None:
    """Wait until all connections are closed; after a while, only until no request is under way."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit):
            while server.connections:  # noqa: ASYNC110 - aiohttp's list, which tells nobody
                await asyncio.sleep(LOOK_EVERY)
    await entry.idle()
