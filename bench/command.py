# SPDX-License-Identifier: Apache-2.0
"""The command line of the benchmark."""

import argparse
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.charts import draw_all
from bench.conditions import ROOT, describe, file_system
from bench.contenders import Contender, find
from bench.measuring import Row, Stage
from bench.plan import GIB, BenchError, Plan
from bench.results import Results
from bench.rounds import run_row
from bench.rows import all_rows
from bench.tables import markdown
from bench.targets import document

PUBLISHED = ROOT / "docs" / "benchmarks"
"""Where a whole run is written."""

TRIAL = ROOT / "build" / "bench"
"""Where any other run is written."""

_ROOM = 12 * GIB


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    # Servers are stopped and files removed on the way out, also when the run is told to end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="estiva-bench-", dir=options.directory) as directory:
            plan = Plan(directory=Path(directory), rounds=2 if options.quick else options.rounds, scale=options.scale)
            results = _run(plan, options, console)
    except BenchError as error:
        console.print(f"[red]bench:[/red] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130
    whole = not (options.quick or options.only or options.skip) and options.scale == 1 and results.complete
    _write(results, options.output or (PUBLISHED if whole else TRIAL), console)
    print(json.dumps(document(results), indent=1) if options.json else markdown(results, charts=False))
    return 0 if results.complete else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Compare Estiva with other registries on this machine."
    )
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    add("--quick", action="store_true", help="two rounds")
    add("--only", action="append", default=[], metavar="ROW", help="measure this row; may be repeated")
    add("--skip", action="append", default=[], metavar="NAME", help="leave this contender out; may be repeated")
    add(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="add a registry; {port} and {dir} are replaced in its command",
    )
    add("--scale", type=float, default=1.0, help="shrink sizes and durations, for a trial of the benchmark itself")
    add("--directory", type=Path, help="where servers store what they are given (default: the temporary directory)")
    add("--output", type=Path, help="where the report goes (default: docs/benchmarks for a whole run)")
    add("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _run(plan: Plan, options: argparse.Namespace, console: Console) -> Results:
    stage = Stage(plan)
    rows = _chosen(all_rows(stage), options.only)
    contenders, notes = find(options.peer, set(options.skip))
    _check_room(plan, console)
    results = Results(conditions=describe(plan, contenders, notes))
    for note in notes:
        console.print(f"left out: {note}", style="yellow", highlight=False)
    with _Display(console, _measurements(rows, contenders, plan)) as display:
        display.step("", "", "preparing random bytes")
        stage.prepare(max(row.largest for row in rows))
        for row in rows:
            begin = time.monotonic()
            results.rows.append(run_row(row, contenders, plan, display))
            results.rows[-1].seconds = time.monotonic() - begin
    return results


def _chosen(rows: list[Row], names: list[str]) -> list[Row]:
    known = {row.name: row for row in rows}
    for name in names:
        if name not in known:
            raise BenchError(f"there is no row {name!r}; rows are {', '.join(known)}")
    return [row for row in rows if not names or row.name in names]


def _check_room(plan: Plan, console: Console) -> None:
    needed = _ROOM * min(1.0, plan.scale)
    if shutil.disk_usage(plan.directory).free < needed:
        raise BenchError(f"less than {needed / GIB:.0f} GiB are free; name another place with --directory")
    if file_system(plan.directory) == "tmpfs":
        console.print("the directory is in memory: nothing durable is measured; see --directory", style="yellow")


def _measurements(rows: list[Row], contenders: list[Contender], plan: Plan) -> int:
    return sum(plan.rounds for row in rows for contender in contenders if contender.takes(row.name, row.work))


def _write(results: Results, directory: Path, console: Console) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        "latest.json": json.dumps(document(results), indent=1) + "\n",
        "latest.md": markdown(results, charts=True),
        **draw_all(results),
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    console.print(f"written: {len(files)} files in {directory}", highlight=False)


class _Display:
    """A progress bar that is drawn only between measurements, so that drawing costs none of them anything."""

    def __init__(self, console: Console, total: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=False,
        )
        self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, row: str, contender: str, doing: str) -> None:
        self._progress.update(self._task, description=f"{row:<14}{contender:<17}{doing:<22}")
        self._progress.refresh()

    def warn(self, text: str) -> None:
        self._progress.console.print(text, style="yellow", highlight=False, markup=False)

    def advance(self) -> None:
        self._progress.advance(self._task)
        self._progress.refresh()
