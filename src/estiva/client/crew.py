# SPDX-License-Identifier: Apache-2.0
"""The processes that load a registry together: started apart, let go at once, added up.

An interrupt from the terminal, or its end, reaches every process of a group. These ignore it, and stop when they are
told to, or when the pipe to whoever leads them ends.
"""

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from estiva.client.load import GO, TICK_S, Order, obey
from estiva.client.tally import Tally
from estiva.errors import RegistryUnusable

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

Progress = Callable[[float, int, int], None]
"""Hears seconds since the start, how many are done, and their bytes."""

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What wants an end: Ctrl-C, a service manager, a terminal that is closed."""

_END_S = 5.0
_context = multiprocessing.get_context("spawn")


class Interrupted(Exception):
    """Whoever watches wanted an end; `tally` is what was measured until then."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally = tally


def run_together(orders: Sequence[Order], progress: Progress) -> Tally:
    """Run each order in a process of its own and return what they did in all.

    Raises RegistryUnusable when one cannot begin, Interrupted after a KeyboardInterrupt.
    """
    with _processes(orders) as pipes:
        for pipe in pipes:
            if (failure := _hear(pipe)) is not None:
                raise RegistryUnusable(str(failure))
        _tell(pipes, GO)
        begin = time.monotonic()
        crew = _Crew(pipes, lambda done, size: progress(time.monotonic() - begin, done, size))
        try:
            crew.listen()
        except KeyboardInterrupt:
            _tell(pipes, "stop")
            with _interrupts_ignored():  # it takes seconds, and what is to be removed must be known
                crew.listen()
            raise Interrupted(crew.tally) from None
        return crew.tally


def _tell(pipes: Sequence[Pipe], word: str) -> None:
    for pipe in pipes:
        with contextlib.suppress(OSError):  # it has ended
            pipe.send(word)


class _Crew:
    def __init__(self, pipes: Sequence[Pipe], progress: Callable[[int, int], None]) -> None:
        self.tally = Tally()
        self._running = list(pipes)
        self._latest = dict.fromkeys(pipes, (0, 0))
        self._progress = progress

    def listen(self) -> None:
        """Add up reports until every process has ended."""
        while self._running:
            for pipe in wait(self._running, timeout=TICK_S):
                assert isinstance(pipe, Pipe)
                self._take(pipe, _hear(pipe))
            counts = list(self._latest.values())
            self._progress(sum(done for done, _ in counts), sum(size for _, size in counts))

    def _take(self, pipe: Pipe, told: object) -> None:
        if isinstance(told, tuple):
            self._latest[pipe] = told[:2]
            return
        self._running.remove(pipe)
        if isinstance(told, Tally):
            self.tally.merge(told)
        else:
            self.tally.fail("a process of the client ended without a word")


def _hear(pipe: Pipe) -> object:
    try:
        return pipe.recv()
    except (EOFError, ConnectionResetError):
        return "a process of the client ended without a word"


@contextlib.contextmanager
def _processes(orders: Sequence[Order]) -> Iterator[list[Pipe]]:
    pipes: list[Pipe] = []
    processes: list[SpawnProcess] = []
    try:
        for order in orders:
            ours, theirs = _context.Pipe()
            process = _context.Process(target=obey, args=(order, theirs), daemon=True)
            pipes.append(ours)
            processes.append(process)
            with _interrupts_ignored():
                process.start()
            theirs.close()
        yield pipes
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(_END_S)
            process.kill()


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore interrupts in the block, and in every process that is started there."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
