# SPDX-License-Identifier: Apache-2.0
"""Run any test without one of the server's shorter ways: `TEST_WITHOUT=lane,direct_uploads python -m pytest ...`."""

import dataclasses
import os

from estiva.config import Settings

VARIABLE = "TEST_WITHOUT"


def _without() -> list[str]:
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]


def switched(settings: Settings) -> Settings:
    """Return the settings with what is to be left out switched off."""
    off: dict[str, bool] = dict.fromkeys(_without(), False)
    return dataclasses.replace(settings, limits=dataclasses.replace(settings.limits, **off)) if off else settings


def variables() -> dict[str, str]:
    """Return the same for the environment of a process."""
    return {f"ESTIVA_LIMITS_{name.upper()}": "false" for name in _without()}
