# SPDX-License-Identifier: Apache-2.0
"""How far a run of `estiva bench` is: bars on the standard error."""

import contextlib
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from estiva.client.crew import Progress as Hears
from estiva.client.load import Phase
from estiva.client.table import title
from estiva.client.trial import Plan

_WIDE = 90
"""Columns of a terminal from which on bars have their whole length."""

_LONG, _SHORT = 40, 8


class Display:
    """Bars for a terminal; nothing where there is none, or no longer. Drawn only when something is told."""

    def __init__(self, plan: Plan, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._plan = plan
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(_LONG if console.width >= _WIDE else _SHORT),
            TextColumn("{task.fields[rate]}"),
            console=console,
            auto_refresh=False,
            disable=not console.is_terminal,
        )
        self._passing: TaskID | None = None  # a step that leaves no trace

    def __enter__(self) -> Self:
        with _if_there():
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with _if_there():
            self._settle()
            self._progress.stop()

    def begin(self, doing: str) -> None:
        """Show what comes next."""
        with _if_there():
            self._passing = self._add(doing, None)

    def measuring(self, phase: Phase) -> Hears:
        """Show a phase, and return what moves its bar."""
        with _if_there():
            self._add(title(phase, self._plan), self._plan.seconds)

        def progress(seconds: float, done: int, size: int) -> None:
            rate = f"{done / seconds:,.0f}/s {size / seconds / 1e6:,.1f} MB/s" if seconds else ""
            with _if_there():
                self._progress.update(
                    self._progress.task_ids[-1], completed=min(seconds, self._plan.seconds), rate=rate, refresh=True
                )

        return progress

    def removing(self, done: int, total: int) -> None:
        """Show how much is removed again."""
        with _if_there():
            self._progress.update(self._progress.task_ids[-1], completed=done, total=total, refresh=True)

    def _add(self, text: str, total: float | None) -> TaskID:
        self._settle()
        task = self._progress.add_task(text, total=total, rate="")
        self._progress.refresh()
        return task

    def _settle(self) -> None:
        """Let what was shown last move no more."""
        if self._passing is not None:
            self._progress.remove_task(self._passing)
            self._passing = None
        for task in self._progress.tasks:
            self._progress.update(task.id, completed=task.total)


def _if_there() -> contextlib.suppress:
    """Go on without a terminal that was closed: what was pushed is still to be removed."""
    return contextlib.suppress(OSError)
