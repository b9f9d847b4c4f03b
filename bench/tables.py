# SPDX-License-Identifier: Apache-2.0
"""Results as Markdown."""

from collections.abc import Mapping
from typing import Any

from bench.contenders import Role
from bench.results import Column, Entry, Results, RowResult, Spread
from bench.targets import Verdict, judge

_READING = (
    "Medians of the ratios of each round: speed first, then CPU time, or what else the row compares; below 1 it is "
    "worse. Ceilings are no registries: nginx and the sink show what this machine and the clients can reach."
)

_FOREIGN_LIMIT = 0.10
"""Share of the cores used by others beyond which figures are called disturbed."""


def figure(value: float) -> str:
    """Write a number with three significant digits, whole ones with their thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.3g}"


def spread_text(spread: Spread | None) -> str:
    """Write a median, with least and greatest where they differ."""
    if spread is None:
        return "-"
    if figure(spread.low) == figure(spread.high):
        return figure(spread.median)
    return f"{figure(spread.median)} ({figure(spread.low)} - {figure(spread.high)})"


def markdown(results: Results, *, charts: bool) -> str:
    """Return the whole report; with `charts`, it shows the drawings that lie beside it."""
    parts = ["# Benchmark", _made(results.conditions)]
    parts += [f"The run took {sum(row.seconds for row in results.rows) / 60:.0f} minutes."]
    parts += [_picture(name) for name in ("speed", "cpu") if charts]
    parts += [_targets(results), _summary(results)]
    parts += [_row(row) for row in results.rows]
    parts += [_conditions(results.conditions)]
    return "\n\n".join(parts) + "\n"


def _made(conditions: Mapping[str, Any]) -> str:
    machine = conditions["machine"]
    text = (
        f"Made at {conditions['made_at']} from revision {conditions['revision'] or 'unknown'} by `make bench`: "
        f"medians (least - greatest) of {conditions['rounds']} interleaved rounds, on {machine['cores']} cores "
        f"({machine['processor']}), {machine['memory_gib']} GiB, {machine['kernel']}, {machine['file_system']} "
        f"(4 KiB durable in {machine['fdatasync_ms']} ms), Python {machine['python']}."
    )
    if conditions["scale"] != 1:
        text += (
            f"\n\n**A trial at scale {conditions['scale']}: sizes are smaller, figures say nothing about a server.**"
        )
    return text


def _picture(name: str) -> str:
    return (
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="{name}-dark.svg">\n'
        f'  <img alt="{name}: the table below as bars" src="{name}-light.svg">\n'
        "</picture>"
    )


def _targets(results: Results) -> str:
    lines = ["## Targets", "", "| | target | measured | met |", "|---|---|--:|---|"]
    lines += [_verdict(verdict) for verdict in judge(results)]
    return "\n".join(lines)


def _verdict(verdict: Verdict) -> str:
    target = verdict.target
    bounds = [f"{sign} {bound:g}" for sign, bound in ((">=", target.at_least), ("<=", target.at_most)) if bound]
    text = f"{target.text}{f' ({target.note})' if target.note else ''}"
    met = {None: "not measured", True: "yes", False: "**missed**"}[verdict.met]
    return f"| {target.number} | {text}: {' and '.join(bounds)} | {spread_text(verdict.measured)} | {met} |"


def _summary(results: Results) -> str:
    """Return one line per row: how many times better Estiva is than each other, in speed and in CPU time."""
    others: list[str] = []
    for entry in (entry for row in results.rows for entry in row.entries):
        if entry.contender.role not in (Role.ESTIVA, Role.VARIANT) and entry.contender.name not in others:
            others.append(entry.contender.name)
    lines = [
        "## How many times better Estiva is",
        "",
        _READING,
        "",
        f"| | {' | '.join(others)} |",
        f"|---|{'--:|' * len(others)}",
    ]
    for row in (row for row in results.rows if len(row.entries) > 1):
        by_name = {entry.contender.name: entry for entry in row.entries}
        cells = [_advantages(row, by_name[name]) if name in by_name else "" for name in others]
        lines.append(f"| {row.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _advantages(row: RowResult, entry: Entry) -> str:
    spreads = [row.advantage(entry, column) for column in row.columns if column.shown]
    return ", ".join(f"{figure(spread.median)}x" for spread in spreads if spread) or "-"


def _row(row: RowResult) -> str:
    lines = [
        f"## {row.title}",
        "",
        f"| `{row.name}` | {' | '.join(column.title for column in row.columns)} |",
        f"|---|{'--:|' * len(row.columns)}",
    ]
    lines += [_entry(entry, row.columns) for entry in row.entries]
    lines += _remarks(row)
    return "\n".join(lines)


def _entry(entry: Entry, columns: tuple[Column, ...]) -> str:
    name = entry.contender.name
    named = {Role.ESTIVA: f"**{name}**", Role.VARIANT: name, Role.PEER: name, Role.CEILING: f"*{name} (ceiling)*"}[
        entry.contender.role
    ]
    cells = [spread_text(entry.spread(column.key)) for column in columns]
    return f"| {named} | {' | '.join(cells)} |"


def _remarks(row: RowResult) -> list[str]:
    failed = [f"\n{entry.contender.name} failed: {entry.failure}" for entry in row.entries if entry.failure]
    foreign = row.foreign
    if foreign is None:
        return failed
    word = "**Disturbed:** other" if foreign.median > _FOREIGN_LIMIT else "Other"
    share = f"{foreign.median:.0%} of the cores ({foreign.high:.0%} at most)"
    used = f"\n{word} processes and the kernel's own threads used {share}."
    return [*failed, used]


def _conditions(conditions: Mapping[str, Any]) -> str:
    lines = ["## Equal work", ""]
    lines += [f"- {line}" for line in conditions["equal_work"]]
    lines += [f"- {each['name']} {each['version']}: {each['about']}." for each in conditions["contenders"]]
    lines += [f"- Left out: {note}." for note in conditions["notes"]]
    return "\n".join(lines)
