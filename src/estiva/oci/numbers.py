# SPDX-License-Identifier: Apache-2.0
"""Numbers as headers and queries spell them: decimal ASCII digits.

`int()` alone would also take signs, spaces, underscores and other scripts' digits, and fail on thousands of digits.
"""

import re

LARGEST = 2**63 - 1  # what clients and databases hold (image-spec, "Descriptor": size is an int64)

_DIGITS = re.compile(r"[0-9]+", re.ASCII)


def parse_digits(text: str) -> int | None:
    """Return the value of a run of digits, LARGEST for one that is larger still, or None for any other text."""
    if _DIGITS.fullmatch(text) is None:
        return None
    significant = text.lstrip("0")
    return min(int(significant or "0"), LARGEST) if len(significant) <= len(str(LARGEST)) else LARGEST
