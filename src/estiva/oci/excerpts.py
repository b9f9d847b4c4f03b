# SPDX-License-Identifier: Apache-2.0
"""Refused text, cut so that an error may repeat it."""

_LENGTH = 160  # characters; a sha512 digest fits


def excerpt(text: str) -> str:
    """Return the beginning of any text as ASCII: what a path or a header had in other bytes stands escaped."""
    return text[:_LENGTH].encode("ascii", "backslashreplace").decode()
