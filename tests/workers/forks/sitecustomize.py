# SPDX-License-Identifier: Apache-2.0
"""On a server's PYTHONPATH: its forks meet the fates that are files in a directory, the first in order next.

A fork `fails`, its child `halts` before it does anything, or it `works`, as it does without a file.
"""

import errno
import os
import signal
from pathlib import Path

_fates = Path(os.environ["TEST_FORKS"])
_fork = os.fork


def _take() -> str:
    for path in sorted(_fates.iterdir()):
        path.unlink(missing_ok=True)
        return path.suffix
    return ".works"


def _fated() -> int:
    fate = _take()
    if fate == ".fails":
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    pid = _fork()
    if pid == 0 and fate == ".halts":
        os.kill(os.getpid(), signal.SIGSTOP)
    return pid


os.fork = _fated
