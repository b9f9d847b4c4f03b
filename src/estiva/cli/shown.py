# SPDX-License-Identifier: Apache-2.0
"""How a run of `estiva bench` is shown: bars on the standard error while it lasts, a table in the end."""

from typing import Self

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from estiva.client.crew import Progress as Hears
from estiva.client.load import Phase
from estiva.client.tally import Tally
from estiva.client.trial import LAYER, Plan, Report
from estiva.config.quantities import render_size

_BUSY = 0.9
"""Share of a core that a process of the client may use before it is said to be the limit."""

_WHOLE = 100
"""From here on decimals are left out."""


class Display:
    """Bars for a terminal; nothing where there is none. Drawn only when something is told."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            console=console,
            auto_refresh=False,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, doing: str) -> None:
        """Show what comes next."""
        self._add(doing, None)

    def measuring(self, phase: Phase) -> Hears:
        """Show a phase, and return what moves its bar."""
        task = self._add(title(phase, self._plan), self._plan.seconds)

        def progress(seconds: float, done: int, size: int) -> None:
            rate = f"{done / seconds:,.0f}/s  {size / seconds / 1e6:,.1f} MB/s" if seconds else ""
            self._progress.update(task, completed=min(seconds, self._plan.seconds), rate=rate, refresh=True)

        return progress

    def removing(self, done: int, total: int) -> None:
        """Show how much is removed again."""
        self._progress.update(self._progress.task_ids[-1], completed=done, total=total, refresh=True)

    def _add(self, text: str, total: float | None) -> TaskID:
        task = self._progress.add_task(f"{text:<24}", total=total, rate="")
        self._progress.refresh()
        return task


def title(phase: Phase, plan: Plan) -> str:
    """Return a phase's name and the size of what it pushes."""
    return {
        Phase.PUSH: f"push {render_size(plan.size)}",
        Phase.IMAGES: f"images {render_size(LAYER)}",
        Phase.MANIFESTS: "manifests",
        Phase.PULL: "pull",
    }[phase]


def show(report: Report) -> None:
    """Print the table, and what has to be said to it."""
    plan = report.plan
    table = Table(
        box=SIMPLE_HEAD,
        title=f"{plan.address}  ({plan.connections} connections, {plan.processes} processes)",
        title_justify="left",
    )
    table.add_column("phase", no_wrap=True)
    for column in ("/s", "MB/s", "p50 ms", "p99 ms", "max ms", "done", "failed"):
        table.add_column(column, justify="right", no_wrap=True)
    for phase, tally in report.tallies.items():
        table.add_row(title(phase, plan), *_cells(tally))
    Console().print(table)
    for line in _remarks(report):
        typer.echo(line)


def _cells(tally: Tally) -> list[str]:
    seconds = tally.finished - tally.started
    times = (tally.latencies.quantile(0.5), tally.latencies.quantile(0.99), tally.latencies.longest)
    rates = [_figure(number / seconds) if seconds else "-" for number in (tally.done, tally.bytes / 1e6)]
    return [*rates, *(_figure(time * 1000) for time in times), f"{tally.done:,}", f"{tally.failed:,}"]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE else f"{value:.3g}"


def _remarks(report: Report) -> list[str]:
    lines = [f"{phase.value}: {tally.failure}" for phase, tally in report.tallies.items() if tally.failure]
    lines += [
        f"{phase.value}: a process of the client was busy {tally.busy:.0%} of the time: it may be the limit, "
        "not the registry; try more --processes, or another machine"
        for phase, tally in report.tallies.items()
        if tally.busy > _BUSY
    ]
    lines += report.notes
    removal = report.removal
    if removal.removed:
        lines.append(f"Deleted again: {removal.removed:,} manifests, blobs and uploads; the registry frees their room.")
    if removal.left:
        where = f"{report.plan.repository} at {report.plan.address}"
        lines.append(f"Left in {where}: {removal.left:,} manifests, blobs and uploads ({removal.reason}).")
    if report.interrupted:
        lines.append("Interrupted: what was measured until then.")
    return lines
