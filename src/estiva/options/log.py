# SPDX-License-Identifier: Apache-2.0
"""What is logged, and in which form."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated


class LogFormat(StrEnum):
    """The form of a line: for people, for programs, or by what it is written to."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe messages that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """The settings of the table `log`."""

    format: Annotated[
        LogFormat, "Form of the lines: `console`, `json`, or `auto`: console on a terminal, JSON elsewhere."
    ] = LogFormat.AUTO
    level: Annotated[LogLevel, "The least severe messages that are written; access lines are apart."] = LogLevel.INFO
    access: Annotated[bool, "Whether every answered request writes a line to the standard output."] = True
