# SPDX-License-Identifier: Apache-2.0
"""Conditional requests (RFC 9110, section 13.1).

The entity tag of content is its digest in quotes. A condition may leave the quotes out, as some clients do. No digest
has a comma, so a list can be split at its commas: part of an entity tag that has one equals none of ours.
"""


def etag(digest: str) -> str:
    """Return the entity tag of the content that has this digest."""
    return f'"{digest}"'


def none_match(header: str | None, etag: str) -> bool:
    """Tell whether If-None-Match names what is there, `etag`; if so, a pull answers 304 and a push 412.

    The comparison is weak (section 13.1.2). Without the header there is no condition: False.
    """
    if header is None:
        return False
    listed = _elements(header)
    return listed == ["*"] or any(element.removeprefix("W/") in {etag, etag.strip('"')} for element in listed)


def match(header: str | None, etag: str) -> bool:
    """Tell whether If-Match names what is there, `etag`; if not, a push answers 412.

    The comparison is strong (section 13.1.1): a weak entity tag equals none. Without the header there is no
    condition: True.
    """
    if header is None:
        return True
    listed = _elements(header)
    return listed == ["*"] or any(element in {etag, etag.strip('"')} for element in listed)


def _elements(header: str) -> list[str]:
    return [element.strip(" \t") for element in header.split(",")]
