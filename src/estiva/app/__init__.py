# SPDX-License-Identifier: Apache-2.0
"""The composition root: settings in, a running server out. Only here are services and adapters made."""

from estiva.app.run import run

__all__ = ["run"]
