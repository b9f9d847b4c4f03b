# SPDX-License-Identifier: Apache-2.0
"""What came out of a run: samples, and what is derived from them."""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from bench.contenders import Contender, Role

SCHEMA = 1
"""Version of the JSON that `Results.document` returns."""


class Better(StrEnum):
    """Which way a figure is good."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A figure of a row; `title` says its unit. A `shown` one is compared in the summary and the charts."""

    key: str
    title: str
    better: Better = Better.LOWER
    shown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement: figures by column key, and the share of the cores that went to neither server nor client.

    The share is None where nothing was timed.
    """

    figures: Mapping[str, float]
    foreign: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, least and greatest of several figures."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(figures: list[float]) -> "Spread | None":
        """Summarise `figures`; None when there are none."""
        if not figures:
            return None
        return Spread(median=statistics.median(figures), low=min(figures), high=max(figures))


@dataclass(slots=True, kw_only=True)
class Entry:
    """One contender in one row; `failure` says why samples are missing."""

    contender: Contender
    samples: list[Sample] = field(default_factory=list)
    failure: str = ""

    def spread(self, key: str) -> Spread | None:
        """Summarise the column `key`; None when it was not measured."""
        return Spread.of([sample.figures[key] for sample in self.samples if key in sample.figures])


@dataclass(slots=True, kw_only=True)
class RowResult:
    """All contenders in one row; the first column is what the row is about."""

    name: str
    title: str
    columns: tuple[Column, ...]
    entries: list[Entry]
    seconds: float = 0.0
    """How long it took, in all."""

    @property
    def estiva(self) -> Entry | None:
        """Estiva's entry, None when it did not take part."""
        return next((entry for entry in self.entries if entry.contender.role is Role.ESTIVA), None)

    def advantage(self, entry: Entry, column: Column) -> Spread | None:
        """Return how many times better Estiva is than `entry`, from the ratio of each round; below 1 it is worse."""
        if self.estiva is None or entry is self.estiva:
            return None
        pairs = [
            (ours.figures[column.key], theirs.figures[column.key])
            for ours, theirs in zip(self.estiva.samples, entry.samples, strict=False)
            if column.key in ours.figures and column.key in theirs.figures
        ]
        if column.better is Better.LOWER:
            pairs = [(theirs, ours) for ours, theirs in pairs]
        return Spread.of([above / below for above, below in pairs if below > 0])

    @property
    def foreign(self) -> Spread | None:
        """Summarise the share of the cores that others used meanwhile; None where nothing was timed."""
        samples = [sample for entry in self.entries for sample in entry.samples]
        return Spread.of([sample.foreign for sample in samples if sample.foreign is not None])


@dataclass(slots=True, kw_only=True)
class Results:
    """A whole run."""

    conditions: Mapping[str, Any]
    rows: list[RowResult] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nobody failed anywhere."""
        return not any(entry.failure for row in self.rows for entry in row.entries)

    def document(self) -> dict[str, Any]:
        """Return everything as JSON can carry it, samples included."""
        return {
            "schema": SCHEMA,
            "conditions": dict(self.conditions),
            "rows": [_row_document(row) for row in self.rows],
        }


def _row_document(row: RowResult) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "columns": [asdict(column) for column in row.columns],
        "foreign": _spread_document(row.foreign),
        "seconds": round(row.seconds, 1),
        "contenders": [_entry_document(row, entry) for entry in row.entries],
    }


def _entry_document(row: RowResult, entry: Entry) -> dict[str, Any]:
    keys = [column.key for column in row.columns]
    shown = [column for column in row.columns if column.shown]
    return {
        "name": entry.contender.name,
        "role": entry.contender.role.value,
        "failure": entry.failure,
        "figures": {key: _spread_document(entry.spread(key)) for key in keys},
        "estiva_is_better_by": {column.key: _spread_document(row.advantage(entry, column)) for column in shown},
        "samples": [{**sample.figures, "foreign": sample.foreign} for sample in entry.samples],
    }


def _spread_document(spread: Spread | None) -> dict[str, float] | None:
    return asdict(spread) if spread else None
