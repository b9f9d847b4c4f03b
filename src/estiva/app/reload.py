# SPDX-License-Identifier: Apache-2.0
"""The settings read again while the server runs."""

import dataclasses
import sys
from collections.abc import Callable

import structlog

from estiva.config import Settings, open_contradiction
from estiva.errors import OperatorError
from estiva.telemetry.logs import configure_logging

FIXED = ("host", "port", "data", "database")  # what the server holds as long as it runs

Load = Callable[[], Settings]

_log = structlog.get_logger("estiva")


def reread(load: Load, present: Settings) -> Settings | None:
    """Return the settings as they are given now, but for what cannot change; None when they are wrong.

    Either is told in the log.
    """
    try:
        wanted = load()
    except OperatorError as error:
        _log.error("reload_refused", error=error.message)
        return None
    kept = {name: getattr(present.server, name) for name in FIXED}
    changed = [name for name in FIXED if getattr(wanted.server, name) != kept[name]]
    settings = dataclasses.replace(wanted, server=dataclasses.replace(wanted.server, **kept))
    wrong = open_contradiction(settings.server)
    if wrong is not None:
        _log.error("reload_refused", error=wrong)
        return None
    configure_logging(settings.log, sys.stderr)
    for name in changed:  # not their values, since one may hold a password
        _log.warning("needs_a_restart", setting=name)
    return settings
