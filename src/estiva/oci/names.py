# SPDX-License-Identifier: Apache-2.0
"""Names of repositories."""

import re
from functools import lru_cache
from typing import Self

import msgspec

from estiva.errors import NameInvalid
from estiva.oci.excerpts import excerpt

MAX_LENGTH = 255  # distribution-spec, "Pulling manifests", implementers' note

# distribution-spec, "Pulling manifests"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_GRAMMAR = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_OFFICIAL = re.compile(rf"library/({_COMPONENT})", re.ASCII)


class RepositoryName(msgspec.Struct, frozen=True, gc=False):
    """The name of a repository, as `asked` by the client and as `stored`.

    They differ for `library/x`, which is how clients that take this registry for Docker Hub ask for `x`. Answers
    echo what was asked.
    """

    asked: str
    stored: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a name. Raises NameInvalid."""
        return cls(text, _stored(text))

    def __str__(self) -> str:
        return self.asked


@lru_cache(maxsize=4096)  # clients ask for the same few names; checking one takes microseconds
def _stored(text: str) -> str:
    """Return the name under which a repository is stored. Raises NameInvalid."""
    if len(text) > MAX_LENGTH:
        raise NameInvalid(
            f"the repository name has {len(text)} characters; at most {MAX_LENGTH} are possible",
            detail={"name": excerpt(text)},
        )
    if _GRAMMAR.fullmatch(text) is None:
        raise NameInvalid(
            "the repository name is invalid; it consists of components separated by /, each of lower-case letters "
            "and digits, which ., _, __ or dashes may join",
            detail={"name": excerpt(text)},
        )
    official = _OFFICIAL.fullmatch(text)
    return text if official is None else official[1]
