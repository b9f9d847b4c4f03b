# SPDX-License-Identifier: Apache-2.0
"""Request ids: short enough to read out, and unguessable, so that nobody can claim another's."""

import os

_BYTES = 8  # 64 bits: two of a billion ids are equal with a chance of one in forty


def new_request_id() -> str:
    """Return 16 hex digits that were not used before."""
    return os.urandom(_BYTES).hex()
