# SPDX-License-Identifier: Apache-2.0
"""Settings from flags, environment and file: the first that says something wins, and everything wrong is told."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from estiva.config.catalog import describe_settings
from estiva.config.layers import CONFIG_VARIABLE, Given, read_environment, read_file, read_flags
from estiva.config.openness import open_contradiction
from estiva.config.settings import Settings
from estiva.errors import SettingsInvalid


def load_settings(config_file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Return the settings: flags before environment before file before defaults.

    Without `config_file`, `ESTIVA_CONFIG` names the file; without either there is none. `flags` are by key, None for
    one that was not given. Raises SettingsInvalid, with a line for each thing that is wrong in any of the places.
    """
    named = environ.get(CONFIG_VARIABLE, "").strip()
    path = config_file or (Path(named) if named else None)
    layers = (read_file(path), read_environment(environ), read_flags(flags))
    problems = [problem for layer in layers for problem in layer.problems]
    given: dict[str, Given] = {}
    for layer in layers:
        given.update(layer.given)
    settings = _assemble(given)
    if not problems:
        problems.extend(_contradictions(settings))
    if problems:
        raise SettingsInvalid("\n".join(problems))
    return settings


def _assemble(given: Mapping[str, Given]) -> Settings:
    settings = Settings(sources={key: value.source for key, value in given.items()})
    for setting in describe_settings():
        if setting.key in given:
            part = dataclasses.replace(getattr(settings, setting.part), **{setting.name: given[setting.key].value})
            settings = dataclasses.replace(settings, **{setting.part: part})
    return settings


def _contradictions(settings: Settings) -> Iterator[str]:
    limits = settings.limits
    if limits.page > limits.page_maximum:
        yield f"limits.page ({limits.page}) is more than limits.page_maximum ({limits.page_maximum})"
    wrong = open_contradiction(settings.server)
    if wrong is not None:
        yield wrong
