# SPDX-License-Identifier: Apache-2.0
"""The kinds of values that settings have: unit and bounds, where the Python type alone does not tell them."""

from dataclasses import dataclass
from enum import Enum, auto

KIB = 1024
MIB = 1024 * KIB

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes, at least `minimum`."""

    minimum: int = 0


@dataclass(frozen=True, slots=True)
class Duration:
    """A time in seconds: more than none, unless `zero` is allowed."""

    zero: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number within these bounds, both included."""

    minimum: int
    maximum: int = 1_000_000


class Kind(Enum):
    """The kinds that have no bounds of their own."""

    HOST = auto()  # a name or an address to listen on
    DATABASE = auto()  # a URL, which may hold a password; or a path
    WORKERS = auto()  # a number of processes, or `auto`
    NETWORKS = auto()  # a list of CIDR blocks and addresses
