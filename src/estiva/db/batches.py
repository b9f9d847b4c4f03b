# SPDX-License-Identifier: Apache-2.0
"""Long lists of digests, in pieces that fit a statement."""

from collections.abc import Collection, Iterator

SIZE = 500  # parameters; SQLite takes 32,766 of them and PostgreSQL 32,767, but shorter statements are planned faster


def batches(digests: Collection[str]) -> Iterator[list[str]]:
    """Yield the digests, each once, in order: the order in which rows are locked."""
    ordered = sorted(set(digests))
    for first in range(0, len(ordered), SIZE):
        yield ordered[first : first + SIZE]
