# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings. Without it, ESTIVA_CONFIG names one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
