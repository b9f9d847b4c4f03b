# SPDX-License-Identifier: Apache-2.0
"""Lists in pages (distribution-spec, "Listing Tags")."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from estiva.errors import PageInvalid
from estiva.oci.excerpts import excerpt
from estiva.oci.numbers import parse_digits

_LAST = re.compile(r"[\x20-\x7e]*", re.ASCII)  # all that a name, a tag or a digest can be compared with


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that comes after `last` (None: from its beginning), at most `limit` long (None: all)."""

    limit: int | None
    last: str | None


def parse_page(n: str | None, last: str | None, *, default: int | None, maximum: int) -> Page:
    """Parse the two parameters of a list; `default` stands in for an absent `n`. Raises PageInvalid.

    A larger `n` than `maximum` means `maximum`; the list goes on by its Link.
    """
    if last is not None and _LAST.fullmatch(last) is None:
        raise PageInvalid("last must be an entry of the list", detail={"last": excerpt(last)})
    if n is None:
        return Page(default, last or None)
    limit = parse_digits(n)
    if limit is None:
        raise PageInvalid("n must be a whole number, 0 or more", detail={"n": excerpt(n)})
    return Page(min(limit, maximum), last or None)


def next_link(path: str, params: Mapping[str, str | int | None]) -> str:
    """Render a Link header to the next page; parameters that are None are left out (RFC 8288)."""
    query = urlencode({name: value for name, value in params.items() if value is not None}, quote_via=quote, safe="")
    return f'<{path}?{query}>; rel="next"'
