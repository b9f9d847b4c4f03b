# SPDX-License-Identifier: Apache-2.0
"""Signals as something to wait for: numbers that are read from a pipe."""

import contextlib
import os
import signal
from types import TracebackType
from typing import Self

from estiva.app.children import HEARD


class Signals:
    """Takes SIGTERM, SIGINT, SIGHUP and SIGCHLD until the block ends.

    Who runs us under nohup, with SIGHUP ignored, has it ignored.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for descriptor in (self._reading, self._writing):
            os.set_blocking(descriptor, False)
        self._before: dict[signal.Signals, signal.Handlers | object] = {}
        self._has_terminal = _terminal_is_there()

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is something to take."""
        return self._reading

    def take(self) -> list[signal.Signals]:
        """Return the signals that came since the last call, in their order."""
        try:
            return [signal.Signals(number) for number in os.read(self._reading, 4096)]
        except BlockingIOError:
            return []

    def terminal_hung_up(self) -> bool:
        """Whether the terminal from which we were started is gone: then SIGHUP means the end, as it always did."""
        return self._has_terminal and not _terminal_is_there()

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in HEARD:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what `signal` returned, it takes
        self.close()

    def close(self) -> None:
        """Close the pipe, as a child does that was forked."""
        os.close(self._reading)
        os.close(self._writing)


def _note(number: int, frame: object) -> None:
    """Do nothing: the number is in the pipe."""


def _terminal_is_there() -> bool:
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return True
    return False
