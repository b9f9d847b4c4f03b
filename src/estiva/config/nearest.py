# SPDX-License-Identifier: Apache-2.0
"""The nearest known word to one that is not known."""

import difflib
from collections.abc import Iterable

_CUTOFF = 0.5  # below it, what is nearest was hardly meant


def suggestion(text: str, known: Iterable[str]) -> str:
    """Return "; did you mean x?", or nothing where no known word is near."""
    found = difflib.get_close_matches(text, list(known), n=1, cutoff=_CUTOFF)
    return f"; did you mean {found[0]}?" if found else ""
