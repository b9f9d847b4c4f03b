# SPDX-License-Identifier: Apache-2.0
"""The settings in force, as a file that could have said so."""

import textwrap
import tomllib
from collections.abc import Iterator
from typing import Any

from estiva.config.catalog import TOP, Setting, describe_settings
from estiva.config.settings import Settings

_WIDTH = 100  # columns of comments


def render_settings(settings: Settings) -> str:
    """Return TOML with every setting, what it does and where its value came from; passwords are masked."""
    return "\n".join(_lines(settings))


def plain_value(setting: Setting, settings: Settings) -> Any:
    """Return what the file would hold, such as "64MiB", as a value of JSON; passwords are masked."""
    return tomllib.loads(f"value = {setting.form.show(setting.value(settings))}")["value"]


def source_of(setting: Setting, settings: Settings) -> str:
    """Return where a value came from: a flag, a variable, a file with its key, or `default`."""
    usual = "default" if setting.value(settings) == setting.default else "program"
    return settings.sources.get(setting.key, usual)


def _lines(settings: Settings) -> Iterator[str]:
    part = TOP
    for setting in describe_settings():
        if setting.part != part:
            part = setting.part
            yield f"[{part}]"
            yield ""
        yield from textwrap.wrap(setting.text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        yield _comment(f"{setting.variable}, {setting.form.name}; from {source_of(setting, settings)}")
        yield f"{setting.name} = {setting.form.show(setting.value(settings))}"
        yield ""


def _comment(text: str) -> str:
    return f"# {text if text.isprintable() else ascii(text)}"
