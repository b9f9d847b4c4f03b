# SPDX-License-Identifier: Apache-2.0
"""The forms that values have: how each is read from text and from TOML, checked, and written back.

Errors are ValueErrors whose text goes on after "<where it stands>: ".
"""

import ipaddress
import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from estiva.config.databases import check_database, mask_password
from estiva.config.nearest import suggestion
from estiva.config.quantities import (
    LARGEST_SIZE,
    LONGEST_DURATION,
    SHORTEST_DURATION,
    parse_duration,
    parse_size,
    parse_whole,
    render_duration,
    render_size,
)
from estiva.options.kinds import Count, Duration, Size
from estiva.options.server import AUTO, MOST_WORKERS

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class Form(Protocol):
    """One form of values."""

    name: str
    """What the documentation calls it."""

    def from_text(self, text: str) -> Any:
        """Return the value of an environment variable or a TOML string. Raises ValueError."""

    def from_toml(self, value: Any) -> Any:
        """Return the value of a TOML value. Raises ValueError."""

    def show(self, value: Any) -> str:
        """Return the value as TOML; a secret in it is masked."""


class SizeForm:
    """A number of bytes."""

    def __init__(self, kind: Size) -> None:
        self._kind = kind
        self.name = f"size, at least {render_size(kind.minimum)}" if kind.minimum else "size"

    def from_text(self, text: str) -> int:
        """Read `64MiB`."""
        return self._check(parse_size(text))

    def from_toml(self, value: Any) -> int:
        """Read a string, or an integer of bytes."""
        if type(value) is int:
            return self._check(value)
        return self.from_text(_string(value, 'a size such as "64MiB", or a number of bytes'))

    def show(self, value: int) -> str:
        """Write `"64MiB"`."""
        return _quoted(render_size(value))

    def _check(self, size: int) -> int:
        if not self._kind.minimum <= size <= LARGEST_SIZE:
            raise ValueError(f"{size} bytes is out of bounds; at least {render_size(self._kind.minimum)}")
        return size


class DurationForm:
    """A time in seconds."""

    name = "duration"

    def __init__(self, kind: Duration) -> None:
        self._kind = kind

    def from_text(self, text: str) -> float:
        """Read `30s`."""
        return self._check(parse_duration(text))

    def from_toml(self, value: Any) -> float:
        """Read a string, or a number of seconds."""
        if type(value) in {int, float}:
            return self._check(float(value))
        return self.from_text(_string(value, 'a duration such as "30s", or a number of seconds'))

    def show(self, value: float) -> str:
        """Write `"30s"`."""
        return _quoted(render_duration(value))

    def _check(self, seconds: float) -> float:
        if not (SHORTEST_DURATION <= seconds <= LONGEST_DURATION or (seconds == 0 and self._kind.zero)):
            least = "0" if self._kind.zero else render_duration(SHORTEST_DURATION)
            raise ValueError(
                f"{seconds:g} seconds is out of bounds; from {least} to {render_duration(LONGEST_DURATION)}"
            )
        return seconds


class CountForm:
    """A whole number."""

    def __init__(self, kind: Count) -> None:
        self._kind = kind
        self.name = f"number, {kind.minimum} to {kind.maximum}"

    def from_text(self, text: str) -> int:
        """Read `5000`."""
        return self._check(parse_whole(text))

    def from_toml(self, value: Any) -> int:
        """Read an integer."""
        if type(value) is not int:
            raise ValueError(f"takes a whole number, not {_word(value)}")
        return self._check(value)

    def show(self, value: int) -> str:
        """Write `5000`."""
        return str(value)

    def _check(self, number: int) -> int:
        if not self._kind.minimum <= number <= self._kind.maximum:
            raise ValueError(f"{number} is out of bounds; from {self._kind.minimum} to {self._kind.maximum}")
        return number


class WorkersForm:
    """A number of processes, or `auto`."""

    name = "number or `auto`"

    def __init__(self) -> None:
        self._number = CountForm(Count(1, MOST_WORKERS))

    def from_text(self, text: str) -> int:
        """Read `auto` or `2`."""
        return AUTO if text == "auto" else self._number.from_text(text)

    def from_toml(self, value: Any) -> int:
        """Read `"auto"` or an integer."""
        return AUTO if value == "auto" else self._number.from_toml(value)

    def show(self, value: int) -> str:
        """Write `"auto"` or `2`."""
        return _quoted("auto") if value == AUTO else self._number.show(value)


class BooleanForm:
    """Yes or no."""

    name = "true or false"

    def from_text(self, text: str) -> bool:
        """Read `true`, `yes`, `on`, `1` and their opposites, in any case."""
        word = text.lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(f"{text!r} is neither true nor false")
        return word in _TRUE

    def from_toml(self, value: Any) -> bool:
        """Read a boolean."""
        if not isinstance(value, bool):
            raise ValueError(f"takes true or false, not {_word(value)}")  # noqa: TRY004 - one error for all causes
        return value

    def show(self, value: bool) -> str:  # noqa: FBT001 - the value is the argument
        """Write `true`."""
        return "true" if value else "false"


class WordForm:
    """One of a few words."""

    def __init__(self, words: type[StrEnum]) -> None:
        self._words = words
        self.name = " or ".join(f"`{word}`" for word in words)

    def from_text(self, text: str) -> StrEnum:
        """Read one of the words."""
        try:
            return self._words(text)
        except ValueError:
            known = [word.value for word in self._words]
            raise ValueError(f"{text!r} is none of {', '.join(known)}{suggestion(text, known)}") from None

    def from_toml(self, value: Any) -> StrEnum:
        """Read one of the words."""
        return self.from_text(_string(value, f"one of {', '.join(self._words)}"))

    def show(self, value: StrEnum) -> str:
        """Write `"word"`."""
        return _quoted(value)


class PathForm:
    """A path of the file system."""

    name = "path"

    def from_text(self, text: str) -> Path:
        """Read a path; a relative one begins at the directory where the command is run."""
        if not text:
            raise ValueError("takes a path, not nothing")
        return Path(_clean(text))

    def from_toml(self, value: Any) -> Path:
        """Read a string."""
        return self.from_text(_string(value, "a path"))

    def show(self, value: Path) -> str:
        """Write `"path"`."""
        return _quoted(str(value))


class HostForm:
    """A name or an address to listen on."""

    name = "host"

    def from_text(self, text: str) -> str:
        """Read a host name, an IPv4 address or an IPv6 address without brackets."""
        if _HOST_NAME.fullmatch(text) or _is_address(text):
            return text
        raise ValueError(
            f"{text!r} is neither a host name nor an address; write localhost, 192.0.2.1, 2001:db8::1 or :: "
            "(no brackets; the port is a setting of its own)"
        )

    def from_toml(self, value: Any) -> str:
        """Read a string."""
        return self.from_text(_string(value, "a host name or an address"))

    def show(self, value: str) -> str:
        """Write `"host"`."""
        return _quoted(value)


class DatabaseForm:
    """The address of a database."""

    name = "path or URL"

    def from_text(self, text: str) -> str:
        """Read nothing, a path, or a `postgresql://` URL. No error repeats it."""
        check_database(text)
        return _clean(text)

    def from_toml(self, value: Any) -> str:
        """Read a string."""
        return self.from_text(_string(value, "a path or a URL"))

    def show(self, value: str) -> str:
        """Write `"postgresql://user:***@host/name"`."""
        return _quoted(mask_password(value))


class NetworksForm:
    """CIDR blocks and addresses."""

    name = "list of CIDR blocks"

    def from_text(self, text: str) -> tuple[str, ...]:
        """Read blocks with commas between them."""
        return tuple(_network(block.strip()) for block in text.split(",") if block.strip())

    def from_toml(self, value: Any) -> tuple[str, ...]:
        """Read an array of strings."""
        wanted = 'a list such as ["10.0.0.0/8"]'
        if not isinstance(value, list):
            raise ValueError(f"takes {wanted}, not {_word(value)}")  # noqa: TRY004 - one error for all causes
        return tuple(_network(_string(block, f"{wanted} of strings")) for block in value)

    def show(self, value: tuple[str, ...]) -> str:
        """Write `["10.0.0.0/8"]`."""
        return f"[{', '.join(_quoted(block) for block in value)}]"


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        cure = f"; write {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        cure = "; write 10.0.0.0/8, 192.0.2.1 or fd00::/8"
    raise ValueError(f"{text!r} is not a CIDR block{cure}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _clean(text: str) -> str:
    """Return the text if a file system, a driver and a TOML file can all hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid UTF-8") from None
    if "\0" in text:
        raise ValueError("has a NUL character in it")
    return text


def _string(value: Any, wanted: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"takes {wanted}, not {_word(value)}")  # noqa: TRY004 - one error for all causes
    return value


def _word(value: Any) -> str:
    """Return what TOML calls the type of a value."""
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a string", list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time")


def _quoted(text: str) -> str:
    r"""Return a TOML basic string: JSON's escapes, and `\u007f`, which TOML wants and JSON does not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
