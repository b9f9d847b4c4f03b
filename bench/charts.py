# SPDX-License-Identifier: Apache-2.0
"""Results as bars, in SVG that needs no script, no font and no library.

One panel per row, one bar per contender from zero; a thin line shows least and greatest. A ceiling far above the
registries is cut off, with its figure written out, or nothing else could be seen. Each drawing comes in two themes,
because an image cannot know the page that shows it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.contenders import Role
from bench.results import Column, Entry, Results, RowResult, Spread
from bench.tables import figure

_WIDTH = 860
_NAME_X = 150
_BAR_X = 160
_BAR_END = 700
_BAR = 16
_LINE = 24
_HEAD = 46
_GAP = 14
_BREAK = 8
_CUT = 1.6
"""How far a ceiling may exceed the best registry before its bar is cut."""

FEW = frozenset({"manifest", "manifest-tags", "blob", "push", "images", "pull"})
"""Rows in the drawing that README shows."""

_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Colours of one background."""

    name: str
    text: str
    faint: str
    bars: dict[Role, str]


THEMES = (
    Theme(
        name="light",
        text="#1f2328",
        faint="#59636e",
        bars={Role.ESTIVA: "#0969da", Role.VARIANT: "#54aeff", Role.PEER: "#818b98", Role.CEILING: "#d1d9e0"},
    ),
    Theme(
        name="dark",
        text="#f0f6fc",
        faint="#9198a1",
        bars={Role.ESTIVA: "#4493f8", Role.VARIANT: "#1f6feb", Role.PEER: "#656c76", Role.CEILING: "#3d444d"},
    ),
)


def draw_all(results: Results) -> dict[str, str]:
    """Return every drawing by file name: what each row is about, its CPU time, and a few rows, in each theme."""
    pictures: dict[str, Callable[[RowResult], Column | None]] = {
        "speed": lambda row: row.columns[0],
        "cpu": lambda row: next((column for column in row.columns if column.key == "cpu" and column.shown), None),
    }
    drawings = {}
    for name, choose in pictures.items():
        panels = [(row, column) for row in results.rows if len(row.entries) > 1 and (column := choose(row))]
        for theme in THEMES:
            drawings[f"{name}-{theme.name}.svg"] = draw(panels, theme)
            few = [(row, column) for row, column in panels if name == "speed" and row.name in FEW]
            drawings |= {f"overview-{theme.name}.svg": draw(few, theme)} if few else {}
    return drawings


def draw(panels: Sequence[tuple[RowResult, Column]], theme: Theme) -> str:
    """Return one drawing with the panels below each other."""
    parts: list[str] = []
    y = 10
    for row, column in panels:
        parts += _panel(row, column, theme, y)
        y += _HEAD + _LINE * len(row.entries) + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}" '
        f'role="img" font-family="{_FONT}" font-size="13">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(row: RowResult, column: Column, theme: Theme, y: int) -> list[str]:
    title = (
        f'<text x="0" y="{y + 14}" fill="{theme.text}" font-weight="600">{escape(row.title)}</text>'
        f'<text x="0" y="{y + 32}" fill="{theme.faint}" font-size="12">'
        f"{escape(column.title)}, {column.better.value} is better</text>"
    )
    scale = (_BAR_END - _BAR_X) / _full(row, column)
    parts = [title]
    for index, entry in enumerate(row.entries):
        parts += _bar(entry, entry.spread(column.key), theme, (y + _HEAD + index * _LINE, scale))
    return parts


def _full(row: RowResult, column: Column) -> float:
    """Return the figure that fills a panel's width."""
    highs = {entry.contender.name: spread.high for entry in row.entries if (spread := entry.spread(column.key))}
    registries = [
        highs[entry.contender.name]
        for entry in row.entries
        if entry.contender.role is not Role.CEILING and entry.contender.name in highs
    ]
    top = max(highs.values(), default=1.0)
    return min(top, max(registries) * _CUT) if registries and max(registries) > 0 else top or 1.0


def _bar(entry: Entry, spread: Spread | None, theme: Theme, place: tuple[int, float]) -> list[str]:
    y, scale = place
    weight = "600" if entry.contender.role is Role.ESTIVA else "400"
    middle = y + _BAR - 4
    name = escape(entry.contender.name)
    parts = [
        f'<text x="{_NAME_X}" y="{middle}" text-anchor="end" fill="{theme.text}" font-weight="{weight}">{name}</text>'
    ]
    if spread is None:
        return [*parts, f'<text x="{_BAR_X}" y="{middle}" fill="{theme.faint}">failed</text>']
    room = _BAR_END - _BAR_X
    width = min(spread.median * scale, room)
    cut = spread.median * scale > room * 1.001
    # A bar that is cut off is seen to be: its end stands apart.
    pieces = [(_BAR_X, width - 2 * _BREAK), (_BAR_X + width - _BREAK, _BREAK)] if cut else [(_BAR_X, width)]
    parts += [
        f'<rect x="{x:.1f}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2" '
        f'fill="{theme.bars[entry.contender.role]}"/>'
        for x, length in pieces
    ]
    if not cut and spread.high > spread.low:
        low, high = (_BAR_X + min(value * scale, room) for value in (spread.low, spread.high))
        parts.append(
            f'<path d="M{low:.1f} {y + _BAR / 2}H{high:.1f}" stroke="{theme.text}" stroke-width="1.5" opacity="0.6"/>'
        )
    reach = max(width, min(spread.high * scale, room)) + _BAR_X + 8
    arrow = " \N{RIGHTWARDS ARROW}" if cut else ""
    parts.append(f'<text x="{reach:.1f}" y="{middle}" fill="{theme.text}">{figure(spread.median)}{arrow}</text>')
    return parts
