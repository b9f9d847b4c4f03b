# SPDX-License-Identifier: Apache-2.0
"""Request ids: short enough to read out, and unguessable, so that nobody can claim another's."""

import os

_DIGITS = 16  # 64 bits: two of a billion ids are equal with a chance of one in forty
_STOCK = 256  # ids that are made at once: a system call each would take longer than all the rest


class RequestIds:
    """Makes ids. One that was made before a fork must not be used on both sides of it."""

    def __init__(self) -> None:
        self._stock = ""
        self._used = 0

    def new(self) -> str:
        """Return 16 hex digits that were not used before."""
        if self._used == len(self._stock):
            self._stock, self._used = os.urandom(_STOCK * _DIGITS // 2).hex(), 0
        self._used += _DIGITS
        return self._stock[self._used - _DIGITS : self._used]
