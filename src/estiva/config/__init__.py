# SPDX-License-Identifier: Apache-2.0
"""The settings: from a TOML file, the environment and the command line into one checked tree."""

from estiva.config.settings import Settings

__all__ = ["Settings"]
