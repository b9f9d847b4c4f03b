# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings. Without it, ESTIVA_CONFIG names one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

Options = TypeVar("Options")


def taking(kind: type[Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Let a command take its options as one dataclass, whose fields are annotated as its parameters would be."""
    hints = get_type_hints(kind, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]  # a type variable cannot say "a dataclass"
    ]

    def wrap(run: Callable[[Options], None]) -> Callable[..., None]:
        def command(**values: Any) -> None:
            run(kind(**values))

        command.__name__, command.__doc__ = run.__name__, run.__doc__
        command.__annotations__ = hints
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return wrap
