# SPDX-License-Identifier: Apache-2.0
"""The process that starts the workers, replaces those that die, and tells them when to end.

1. It has one thread, no event loop and no database: nothing that would not survive a fork is ever in it.
2. A worker that dies is replaced at once, the next time after a pause that doubles with each failure. Before the
   server has served at all, a few failures end it: whoever started it should hear that it does not work. During a
   pause another worker accepts the connections that are the dead one's share.
3. SIGHUP: workers with the new settings are started beside the old ones. When all of them are ready they are told to
   serve, and the old ones accept nothing more and end with their last request. When one of the new ones fails before,
   none of them has accepted anything, and the old ones stay.
4. SIGTERM and SIGINT: all are told to end within `limits.drain_timeout`; what is left a while after that is killed.
   A second SIGINT does not wait.
"""

import os
import secrets
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from estiva.app import orders
from estiva.app.children import fork
from estiva.app.data_directory import DataDirectory
from estiva.app.seats import Generation, Seat, Worker, count
from estiva.app.signals import Signals
from estiva.app.sockets import Listeners
from estiva.app.worker import Assignment, work
from estiva.config import Settings
from estiva.errors import AddressUnavailable
from estiva.telemetry.board import SLOTS, Board
from estiva.telemetry.metrics import Metrics

FIRST_ATTEMPTS = 3  # starts of one worker before the server has served at all
GRACE = 5.0  # seconds beyond the drain timeout in which a worker closes what it has open

_log = structlog.get_logger("estiva")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the supervisor holds for all workers.

    `reload` returns the settings for the next generation, or None when there is nothing to change to; `announce` is
    called once all workers of the first generation are told to serve.
    """

    directory: DataDirectory
    listeners: Listeners
    signals: Signals
    reload: Callable[[Settings], Settings | None]
    announce: Callable[[], None]
    board: Board = field(default_factory=Board)


class Supervisor:
    """Runs workers until told to end."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._parts = parts
        self._metrics = Metrics(parts.board, 0)
        self._free_slots = set(range(1, SLOTS))
        self._server = secrets.token_hex(4)
        self._born = 0
        self._all: dict[int, Worker] = {}
        self._departed: list[str] = []
        self._current = Generation(settings, parts.listeners.rows)
        self._next: Generation | None = None
        self._reload_wanted = self._announced = self._stopping = self._failed = False
        self._kill_at: float | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> bool:
        """Run until every worker has ended; False when the server could not serve at all."""
        self._selector.register(self._parts.signals, selectors.EVENT_READ)
        self._metrics.publish()
        self._start_due()
        while self._all or not self._stopping:
            self._wait()
            for number in self._parts.signals.take():
                self._hear(number)
            self._reap()
            if self._reload_wanted:
                self._reload()
            self._kill_late()
            self._start_due()
        self._selector.close()
        return not self._failed

    # Starting

    def _start_due(self) -> None:
        now = time.monotonic()
        for generation in [self._current, *([self._next] if self._next else [])]:
            for seat in generation.due(now):
                if not self._stopping and generation in {self._current, self._next}:
                    self._start(generation, seat)

    def _start(self, generation: Generation, seat: Seat) -> None:
        self._born += 1
        slot, holder = min(self._free_slots), f"{self._server}-{self._born}"
        assignment = Assignment(
            settings=generation.settings,
            directory=self._parts.directory,
            listeners=self._parts.listeners,
            position=seat.position,
            seats=len(generation.seats),
            board=self._parts.board,
            slot=slot,
            holder=holder,
            departed=tuple(self._departed),
        )
        try:
            pid, channel = fork(lambda theirs: self._become(generation, lambda: work(assignment, theirs)))
        except OSError as error:
            self._vacate(generation, seat, "worker_not_started", error=str(error))
            return
        self._free_slots.remove(slot)
        worker = Worker(
            pid=pid,
            channel=channel,
            slot=slot,
            holder=holder,
            born=time.monotonic(),
            departed=assignment.departed,
        )
        seat.fill(worker)
        self._all[pid] = worker
        self._selector.register(channel, selectors.EVENT_READ, worker)

    def _become(self, generation: Generation, begin: Callable[[], int]) -> int:
        """Let go, in a child, of what is the supervisor's or the next generation's; then begin."""
        self._parts.listeners.shrink(generation.rows)
        self._selector.close()
        self._parts.signals.close()
        for worker in self._all.values():
            worker.channel.close()
        return begin()

    # Waiting

    def _wait(self) -> None:
        """Wait for a signal, for word from a worker, or until something is due."""
        dues = [seat.due for each in (self._current, self._next) if each for seat in each.seats]
        times = [due for due in [*([] if self._stopping else dues), self._kill_at] if due is not None]
        timeout = max(0.0, min(times) - time.monotonic()) if times else None
        for key, _ in self._selector.select(timeout):
            if key.data is not None:
                self._listen(key.data)

    def _listen(self, worker: Worker) -> None:
        try:
            said = worker.channel.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            said = b""
        if not said:  # it has died; `_reap` will tell
            self._selector.unregister(worker.channel)
        elif orders.READY in said:
            worker.ready = True
            self._departed = [holder for holder in self._departed if holder not in worker.departed]
            if self._announced and self._current.seat_of(worker) is not None:
                self._tell([worker], orders.SERVE)
            else:
                self._look_whether_all_are_ready()

    def _look_whether_all_are_ready(self) -> None:
        if not self._announced and self._current.ready:
            self._announced = True
            self._open()
            self._parts.announce()
        if self._next is not None and self._next.ready:
            old, self._current, self._next = self._current, self._next, None
            self._open()
            for worker in old.workers:
                worker.told = True
            self._tell(old.workers, orders.RETIRE)
            _log.info("reloaded", workers=len(self._current.seats))

    def _open(self) -> None:
        """Have the workers of a generation that is complete accept connections."""
        self._parts.listeners.listen()
        self._tell(self._current.workers, orders.SERVE)

    def _tell(self, workers: list[Worker], order: bytes) -> None:
        for worker in workers:
            with suppress(OSError):  # it has died
                worker.channel.send(order)

    # Signals

    def _hear(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP and self._parts.signals.terminal_hung_up():
            number = signal.SIGTERM
        if number == signal.SIGHUP:
            self._reload_wanted = not self._stopping
        elif number in {signal.SIGTERM, signal.SIGINT} and not self._stopping:
            self._stop()
        elif number == signal.SIGINT:
            self._kill_at = time.monotonic()

    def _stop(self) -> None:
        """Accept no more, and have all workers end."""
        self._stopping, self._reload_wanted = True, False
        self._parts.listeners.close()
        limit = max(each.settings.limits.drain_timeout for each in (self._current, self._next) if each)
        self._kill_at = time.monotonic() + limit + GRACE
        for worker in self._all.values():
            self._terminate(worker)

    def _terminate(self, worker: Worker) -> None:
        worker.told = True
        os.kill(worker.pid, signal.SIGTERM)  # it is there until it is reaped, dead or alive

    def _kill_late(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            for worker in self._all.values():
                _log.warning("worker_killed", process=worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

    # Reloading

    def _reload(self) -> None:
        """Begin a generation with new settings, once there is room for it."""
        if self._next is not None or not self._announced:
            return  # one after the other
        self._reload_wanted = False
        settings = self._parts.reload(self._current.settings)
        if settings is None:
            return
        workers = count(settings)
        if workers >= len(self._free_slots):
            _log.error("reload_refused", error="too many workers of earlier settings are still at work")
            return
        try:
            rows = self._parts.listeners.grow(workers)
        except AddressUnavailable as error:
            _log.error("reload_refused", error=error.message)
            return
        self._next = Generation(settings, rows)

    def _abandon(self, generation: Generation) -> None:
        _log.error("reload_failed", error="a worker with the new settings does not start; the old ones stay")
        self._next = None
        self._parts.listeners.shrink(self._current.rows)
        for worker in generation.workers:
            self._terminate(worker)

    # Deaths

    def _reap(self) -> None:
        """Take note of the dead, strangers included: as process 1 of a container we inherit orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self._all.pop(pid, None)
            if worker is not None:
                self._bury(worker, os.waitstatus_to_exitcode(status))

    def _bury(self, worker: Worker, code: int) -> None:
        with suppress(KeyError):
            self._selector.unregister(worker.channel)
        worker.channel.close()
        self._parts.board.bury(worker.slot)
        self._free_slots.add(worker.slot)
        self._free_leases(worker.holder)
        if not worker.told:
            self._metrics.worker_died()
            self._metrics.publish()
            self._replace(worker, code)

    def _free_leases(self, holder: str) -> None:
        """Have a worker free what a dead one held; without one, the next will do it before it serves."""
        if not self._order(orders.free(holder)):
            self._departed.append(holder)

    def _order(self, order: bytes) -> bool:
        """Give an order to one of the workers that serve; False when there is none."""
        for worker in self._current.workers:
            if worker.ready and not worker.told:
                with suppress(OSError):  # it has died too
                    return worker.channel.send(order) > 0
        return False

    def _replace(self, worker: Worker, code: int) -> None:
        for generation in (self._current, self._next):
            seat = None if generation is None else generation.seat_of(worker)
            if generation is not None and seat is not None:
                self._vacate(generation, seat, "worker_died", process=worker.pid, exit_code=code)

    def _vacate(self, generation: Generation, seat: Seat, event: str, **reason: str | int) -> None:
        """Tell, and do what is to be done about a seat whose worker has died or could not be made."""
        pause = seat.vacate(time.monotonic())
        if self._stopping:
            return
        _log.error(event, again_in=pause, **reason)
        if generation is self._next:
            self._abandon(generation)
        elif pause:  # what arrives at its sockets should not wait for so long
            self._order(orders.adopt(seat.position))
        if not self._announced and seat.failures >= FIRST_ATTEMPTS:
            _log.error("not_started", error="a worker does not start", attempts=seat.failures)
            self._failed = True
            self._stop()
