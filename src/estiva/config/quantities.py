# SPDX-License-Identifier: Apache-2.0
"""Sizes and durations as people write them: `64MiB`, `30s`; and numbers.

Grammar, strict so that nobody gets a thousandth or a thousandfold of what was meant:

    size      digits [" "] unit, or digits alone: bytes    B, kB, MB, GB, TB (powers of 1000); KiB, MiB, GiB, TiB (1024)
    duration  number [" "] unit, or number alone: seconds  ms, s, m, h, d
    number    digits, or digits "." digits
"""

import re

_SIZES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
_DURATIONS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}

_QUANTITY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)")
_WHOLE = re.compile(r"-?[0-9]{1,18}")

LARGEST_SIZE = 2**63 - 1  # bytes; the database's integers end there
SHORTEST_DURATION = 0.001  # seconds; the clocks count milliseconds
LONGEST_DURATION = 3650 * 86_400.0  # seconds: ten years


def parse_size(text: str) -> int:
    """Return bytes. Raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if found is None or "." in found[1] or (found[2] and found[2] not in _SIZES):
        raise ValueError(f"{text!r} is not a size; write 64MiB, 64MB or a number of bytes")
    return int(found[1]) * _SIZES.get(found[2], 1)


def parse_duration(text: str) -> float:
    """Return seconds. Raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if found is None or (found[2] and found[2] not in _DURATIONS):
        raise ValueError(f"{text!r} is not a duration; write 500ms, 30s, 15m, 24h, 7d or a number of seconds")
    if found[2] == "ms":
        return float(found[1]) / 1000  # a product with 0.001 is not exact
    return float(found[1]) * _DURATIONS.get(found[2], 1)


def parse_whole(text: str) -> int:
    """Return a whole number. Raises ValueError."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def render_size(size: int) -> str:
    """Return the shortest text that `parse_size` reads as the same size."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return f"{size}B"


def render_duration(seconds: float) -> str:
    """Return text that `parse_duration` reads as the same duration, to the nanosecond."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _DURATIONS[unit] == 0:
            return f"{seconds / _DURATIONS[unit]:.0f}{unit}"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
