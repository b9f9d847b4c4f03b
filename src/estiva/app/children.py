# SPDX-License-Identifier: Apache-2.0
"""Processes that are forked from this one and die with it.

1. Signals are blocked from before the fork until the child has said what it does about them: none is lost, and none
   meets a handler that was the parent's.
2. The kernel kills a child whose parent has died. Where it cannot, the child sees the end of its channel.
3. A child leaves by `os._exit`: what the parent has opened and registered is not the child's to close.
"""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable

import structlog

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
FAILED = 1  # exit code
ORPHANED = 3  # exit code

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_log = structlog.get_logger("estiva")


def fork(work: Callable[[socket.socket], int]) -> tuple[int, socket.socket]:
    """Run `work` in a child process; return its pid and our end of the channel, whose other end `work` is given.

    The child exits with what `work` returns; it has to unblock the signals `HEARD`. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    try:
        pid = os.fork()
        if pid == 0:
            ours.close()
            _be_child(parent, lambda: work(theirs))
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid, ours


def _be_child(parent: int, work: Callable[[], int]) -> None:
    """Work, and never return."""
    code = FAILED
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # A terminal sends these to all processes; the parent tells its children what to do about them.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        _die_with(parent)
        code = work()
    except BaseException:  # noqa: BLE001 - nothing of the parent's code may run in the child
        _log.exception("worker_failed", process=os.getpid())
    finally:
        _flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be said
        os._exit(ORPHANED)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # whoever read it is gone
            continue
