# SPDX-License-Identifier: Apache-2.0
"""The settings: from a TOML file, the environment and the command line into one checked tree."""

from estiva.config.catalog import Setting, describe_settings
from estiva.config.layers import CONFIG_VARIABLE
from estiva.config.load import load_settings
from estiva.config.openness import open_contradiction, require_open
from estiva.config.render import plain_value, render_settings, source_of
from estiva.config.settings import Settings

__all__ = [
    "CONFIG_VARIABLE",
    "Setting",
    "Settings",
    "describe_settings",
    "load_settings",
    "open_contradiction",
    "plain_value",
    "render_settings",
    "require_open",
    "source_of",
]
