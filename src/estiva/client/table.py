# SPDX-License-Identifier: Apache-2.0
"""What came out of a run of `estiva bench`, for people: a table, and what has to be said to it."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from estiva.client.load import Phase
from estiva.client.tally import Tally
from estiva.client.trial import LAYER, Plan, Report
from estiva.config.quantities import render_size

_COLUMNS = ("/s", "MB/s", "p50 ms", "p99 ms", "max ms", "done", "failed")

_BUSY = 0.9
"""Share of a core that a process of the client may use before it is said to be the limit."""

_WHOLE = 100
"""From here on decimals are left out."""

_ENDLESS = 1000
"""Columns that every table fits into."""


def show(report: Report, console: Console) -> None:
    """Print the table, or where that is too wide a list of its figures; and what has to be said to it."""
    plan = report.plan
    crew = f"{count(plan.connections, 'connection')}, {count(plan.processes, 'process', 'processes')}"
    _say(console, f"{plan.address}  ({crew})")
    table = _table(report)
    width = Measurement.get(console, console.options.update(width=_ENDLESS), table).maximum
    if not console.is_terminal:
        console.width = max(width, console.width)
    if width <= console.width:
        console.print(table)
    else:
        for phase, tally in report.tallies.items():
            _say(console, f"\n{title(phase, plan)}")
            for name, cell in zip(_COLUMNS, _cells(tally), strict=True):
                _say(console, f"  {name:<7}{cell:>12}")
        _say(console, "")
    for line in _remarks(report):
        _say(console, line)


def title(phase: Phase, plan: Plan) -> str:
    """Return a phase's name and the size of what it pushes."""
    return {
        Phase.PUSH: f"push {render_size(plan.size)}",
        Phase.IMAGES: f"images {render_size(LAYER)}",
        Phase.MANIFESTS: "manifests",
        Phase.PULL: "pull",
    }[phase]


def count(number: int, one: str, more: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def _table(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("phase", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for phase, tally in report.tallies.items():
        table.add_row(title(phase, report.plan), *_cells(tally))
    return table


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
        lines.append(
            f"Deleted again: {removal.removed:,} manifests, blobs and uploads. "
            "The registry may keep their room until it collects garbage."
        )
    if removal.left:
        where = f"{report.plan.repository} at {report.plan.address}"
        lines.append(f"Left in {where}: {removal.left:,} manifests, blobs and uploads ({removal.reason}).")
    if report.interrupted:
        lines.append("Interrupted: what was measured until then.")
    return lines
