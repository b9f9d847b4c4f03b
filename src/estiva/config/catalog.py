# SPDX-License-Identifier: Apache-2.0
"""The table of all settings, read off the dataclasses that declare them."""

import dataclasses
import functools
import typing
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from estiva.config.settings import Settings
from estiva.config.values import (
    BooleanForm,
    CountForm,
    DatabaseForm,
    DurationForm,
    Form,
    HostForm,
    NetworksForm,
    PathForm,
    SizeForm,
    WordForm,
    WorkersForm,
)
from estiva.options.kinds import Count, Duration, Kind, Size

TOP = "server"  # the part whose settings stand at the top level of the file
PREFIX = "ESTIVA_"

_FORMS: Mapping[Kind, Form] = {
    Kind.HOST: HostForm(),
    Kind.DATABASE: DatabaseForm(),
    Kind.NETWORKS: NetworksForm(),
    Kind.WORKERS: WorkersForm(),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: the part it belongs to, its name there, and what is known of it."""

    part: str
    name: str
    form: Form
    default: Any
    text: str

    @property
    def key(self) -> str:
        """Its key in the file: `port`, `storage.min_free`."""
        return self.name if self.part == TOP else f"{self.part}.{self.name}"

    @property
    def variable(self) -> str:
        """Its environment variable: `ESTIVA_PORT`, `ESTIVA_STORAGE_MIN_FREE`."""
        return PREFIX + self.key.replace(".", "_").upper()

    def value(self, settings: Settings) -> Any:
        """Return what it is set to."""
        return getattr(getattr(settings, self.part), self.name)


@functools.cache
def describe_settings() -> tuple[Setting, ...]:
    """Return every setting, in the order of the file."""
    parts = typing.get_type_hints(Settings)
    return tuple(
        _setting(field.name, option, annotation)
        for field in dataclasses.fields(Settings)
        if dataclasses.is_dataclass(parts[field.name])
        for option, annotation in zip(
            dataclasses.fields(parts[field.name]),
            typing.get_type_hints(parts[field.name], include_extras=True).values(),
            strict=True,
        )
    )


def _setting(part: str, option: "dataclasses.Field[Any]", annotation: Any) -> Setting:
    plain, *kinds, text = typing.get_args(annotation)
    form = _form_of_kind(kinds[0]) if kinds else _form_of_type(plain)
    return Setting(part=part, name=option.name, form=form, default=option.default, text=text)


def _form_of_kind(kind: Any) -> Form:
    match kind:
        case Size():
            return SizeForm(kind)
        case Duration():
            return DurationForm(kind)
        case Count():
            return CountForm(kind)
        case _:
            return _FORMS[kind]


def _form_of_type(plain: Any) -> Form:
    if plain is bool:
        return BooleanForm()
    if plain is Path:
        return PathForm()
    assert issubclass(plain, StrEnum), f"{plain} needs a kind"
    return WordForm(plain)
