# SPDX-License-Identifier: Apache-2.0
"""Clients that do not read what they asked for are cut off; clients that are merely slow are not."""

import asyncio
from types import TracebackType
from typing import Self

from estiva.web.tcp import acknowledged


class StallGuard:
    """Aborts the connection when its peer acknowledges nothing between two looks, `timeout` seconds apart.

    Looks are taken only while the block runs, and the first one only remembers: a client that takes nothing is cut
    off after between one and two times `timeout`.
    """

    def __init__(self, transport: asyncio.Transport, timeout: float) -> None:
        self._transport = transport
        self._timeout = timeout
        self._acked = -1
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._watch)
        return self

    def _watch(self) -> None:
        acked = acknowledged(self._transport)
        if acked is not None and acked == self._acked:
            self._transport.abort()
            return
        self._acked = -1 if acked is None else acked
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._watch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
