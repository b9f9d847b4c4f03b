# SPDX-License-Identifier: Apache-2.0
"""The interleaved run: in every round each contender is measured once, so a noisy minute hits them all."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from bench.contenders import Contender
from bench.measuring import Row
from bench.plan import BenchError, Plan
from bench.results import Entry, RowResult
from bench.servers import Server


class Watcher(Protocol):
    """Whoever is told how far the run is."""

    def step(self, row: str, contender: str, doing: str) -> None:
        """Hear what begins now."""

    def advance(self) -> None:
        """Hear that one measurement is done or given up."""

    def warn(self, text: str) -> None:
        """Hear why a contender is left out from now on."""


def run_row(row: Row, contenders: Sequence[Contender], plan: Plan, watcher: Watcher) -> RowResult:
    """Measure every contender that can do the row's work; one that fails is left out of the rounds that follow."""
    entries = [Entry(contender=contender) for contender in contenders if contender.takes(row.name, row.work)]
    run = _renewed if row.renewed else _lasting
    run(row, entries, plan, watcher)
    return RowResult(name=row.name, title=row.title, columns=row.columns, entries=entries)


def _lasting(row: Row, entries: list[Entry], plan: Plan, watcher: Watcher) -> None:
    """Measure servers that live through all rounds."""
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for entry in entries:
            watcher.step(row.name, entry.contender.name, "filling")
            with _noting(entry, watcher):
                servers[entry.contender.name] = stack.enter_context(_serving(row, entry.contender, plan))
        # Nothing of what was just stored may be on its way to the disk while the first contender is measured.
        os.sync()
        for entry in _turns(row, entries, plan, watcher):
            with _noting(entry, watcher):
                entry.samples.append(row.measure(servers[entry.contender.name]))


def _renewed(row: Row, entries: list[Entry], plan: Plan, watcher: Watcher) -> None:
    """Measure a new, empty server each time."""
    for entry in _turns(row, entries, plan, watcher):
        with _noting(entry, watcher), _serving(row, entry.contender, plan) as server:
            entry.samples.append(row.measure(server))


def _turns(row: Row, entries: list[Entry], plan: Plan, watcher: Watcher) -> Iterator[Entry]:
    """Yield who is to be measured next: everybody that works, in each round."""
    for number in range(plan.rounds):
        for entry in _working(entries):
            watcher.step(row.name, entry.contender.name, f"round {number + 1} of {plan.rounds}")
            yield entry
            watcher.advance()


@contextmanager
def _serving(row: Row, contender: Contender, plan: Plan) -> Iterator[Server]:
    """Yield a running server that the row has seeded; its files are removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix=f"{contender.name}-", dir=plan.directory))
    try:
        with contender.server(directory) as server:
            row.seed(server, contender.shelf(server))
            yield server
    finally:
        shutil.rmtree(directory)


@contextmanager
def _noting(entry: Entry, watcher: Watcher) -> Iterator[None]:
    """Let the run go on without a contender that fails."""
    try:
        yield
    except (BenchError, OSError) as error:
        # The rest may quote a log, with paths that do not belong into a report.
        entry.failure = str(error).partition("\n")[0]
        watcher.warn(f"{entry.contender.name} failed: {error}")


def _working(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if not entry.failure]
