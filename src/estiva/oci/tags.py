# SPDX-License-Identifier: Apache-2.0
"""Tags: the names that people give to manifests."""

import re
from typing import Self

import msgspec

from estiva.errors import TagInvalid
from estiva.oci.excerpts import excerpt

MAX_LENGTH = 128  # distribution-spec, "Pulling manifests"

_GRAMMAR = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)  # the same section


class Tag(msgspec.Struct, frozen=True, gc=False):
    """A tag that has the grammar of the specification."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a tag. Raises TagInvalid."""
        if _GRAMMAR.fullmatch(text) is None:
            raise TagInvalid(
                f"the tag is invalid; it consists of at most {MAX_LENGTH} letters, digits, _, . and -, "
                "and begins with neither . nor -",
                detail={"tag": excerpt(text)},
            )
        return cls(text)

    def __str__(self) -> str:
        return self.name
