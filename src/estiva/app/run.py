# SPDX-License-Identifier: Apache-2.0
"""Run a server until it is told to stop."""

import gc
import resource
import sys
from contextlib import closing

import structlog

from estiva.app.announce import announce
from estiva.app.data_directory import DataDirectory
from estiva.app.prepare import prepare
from estiva.app.reload import Load, reread
from estiva.app.seats import count
from estiva.app.signals import Signals
from estiva.app.sockets import Listeners
from estiva.app.supervisor import Parts, Supervisor
from estiva.config import Settings
from estiva.options.server import OpenMode
from estiva.telemetry.logs import configure_logging

_log = structlog.get_logger("estiva")


def run(settings: Settings, load: Load) -> None:
    """Serve until SIGTERM or SIGINT; at SIGHUP, `load` returns the settings anew, or raises OperatorError.

    Raises OperatorError when the server cannot begin, SystemExit when none of its workers could.
    """
    configure_logging(settings.log, sys.stderr)
    _take_descriptors()
    server = settings.server
    with (
        Signals() as signals,
        DataDirectory(server.data, server.database) as directory,
        closing(Listeners(server.host, server.port)) as listeners,
    ):
        listeners.grow(count(settings))
        prepare(settings, directory)
        parts = Parts(
            directory=directory,
            listeners=listeners,
            signals=signals,
            reload=lambda present: reread(load, present),
            announce=lambda: _announce(settings, listeners.port),
        )
        # What is there by now stays; the collector need not look at it, which would copy it for each worker.
        gc.collect()
        gc.freeze()
        served = Supervisor(settings, parts).run()
    _log.info("stopped")
    if not served:
        raise SystemExit(1)


def _take_descriptors() -> None:
    """Take as many file descriptors as the system allows: the usual soft limit of 1024 is for users of select(2)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _announce(settings: Settings, port: int) -> None:
    if settings.server.open is OpenMode.ANYWHERE:
        _log.warning("open_anywhere", meaning="no authentication: anyone who reaches this server may push and delete")
    announce(settings, port, sys.stdout)
