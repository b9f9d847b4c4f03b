# SPDX-License-Identifier: Apache-2.0
"""The places that settings come from, each read into a layer: key -> value and source.

A layer holds only what was understood; everything else is a sentence in `problems`.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from estiva.config.catalog import PREFIX, TOP, Setting, describe_settings
from estiva.config.nearest import suggestion
from estiva.options.server import OpenMode

CONFIG_VARIABLE = "ESTIVA_CONFIG"

# What Kubernetes puts into the environment of every pod for a service whose name begins with "estiva" (Kubernetes
# documentation, "Service", "Environment variables").
_SERVICE_NAME = re.compile(
    r"ESTIVA_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_ADDRESS_NAME = re.compile(r"ESTIVA_(\w+_)?PORT")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody set, and where."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says."""

    given: dict[str, Given] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_file(path: Path | None) -> Layer:
    """Read a TOML file; no path, nothing set."""
    layer = Layer()
    if path is None:
        return layer
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        layer.problems.append(f"{path}: cannot be read: {error.strerror}")
        return layer
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        layer.problems.append(f"{path}: is not TOML: {error}")
        return layer
    known = {setting.key: setting for setting in describe_settings()}
    for key, value in _leaves(document, known):
        _take_toml(layer, known, key, value, str(path))
    return layer


def _leaves(table: Mapping[str, Any], known: Mapping[str, Setting], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys with their values; a table is entered, unless it stands where a setting is."""
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value and key not in known:
            yield from _leaves(value, known, f"{key}.")
        else:
            yield key, value


def _take_toml(layer: Layer, known: Mapping[str, Setting], key: str, value: Any, path: str) -> None:
    source = f"{path}, {key if key.isprintable() else repr(key)}"
    is_part = key in {setting.part for setting in known.values()} - {TOP}
    if is_part and value == {}:
        return
    if is_part:
        layer.problems.append(f"{source}: is a table, [{key}]")
    elif key not in known:
        layer.problems.append(f"{source}: is not a setting{_nearest_key(key, known)}")
    else:
        _take(layer, known[key], known[key].form.from_toml, value, source)


def _nearest_key(key: str, known: Mapping[str, Setting]) -> str:
    """Suggest a key: one of the same name in another table before one that looks alike."""
    name = key.rpartition(".")[2]
    for setting in known.values():
        if setting.name == name:
            return f"; did you mean {setting.key}?"
    return suggestion(key, known)


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Read the variables that begin with `ESTIVA_`. An empty one says nothing, as is usual in compose files."""
    layer = Layer()
    known = {setting.variable: setting for setting in describe_settings()}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE or _is_of_kubernetes(name, text):
            continue
        if name not in known:
            layer.problems.append(f"{name}: is not a setting{suggestion(name, [*known, CONFIG_VARIABLE])}")
        elif text.strip():
            _take(layer, known[name], known[name].form.from_text, text.strip(), name)
    return layer


def _is_of_kubernetes(name: str, text: str) -> bool:
    is_address = bool(_SERVICE_ADDRESS_NAME.fullmatch(name) and _SERVICE_ADDRESS.fullmatch(text))
    return is_address or _SERVICE_NAME.fullmatch(name) is not None


def read_flags(flags: Mapping[str, object]) -> Layer:
    """Read options of the command line, by key; None was not given."""
    layer = Layer()
    known = {setting.key: setting for setting in describe_settings()}
    for key, value in flags.items():
        if value is not None:
            option = "--open-anywhere" if value is OpenMode.ANYWHERE else f"--{key}"
            _take(layer, known[key], known[key].form.from_text, str(value), option)
    return layer


def _take(layer: Layer, setting: Setting, read: Callable[[Any], Any], value: Any, source: str) -> None:
    try:
        layer.given[setting.key] = Given(read(value), source)
    except ValueError as error:
        layer.problems.append(f"{source}: {error}")
