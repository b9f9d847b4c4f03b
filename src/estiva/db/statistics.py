# SPDX-License-Identifier: Apache-2.0
"""Statistics: how often what was pulled, and when last. They are added to in batches (invariant 14)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Connection, bindparam, select

from estiva.db.engine import Adding, add
from estiva.db.schema import (
    manifest_statistics,
    manifests,
    repositories,
    repository_statistics,
    tag_statistics,
    tags,
)


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


_REPOSITORY = _number("repository")
_OF_REPOSITORIES = Adding(
    repository_statistics,
    ("repository_id",),
    ("pulls", "bytes_sent"),
    ("last_pulled_at",),
    select(repositories.c.id, _number("times"), _number("sent"), _number("last")).where(
        repositories.c.id == _REPOSITORY
    ),
)
_OF_MANIFESTS = Adding(
    manifest_statistics,
    ("repository_id", "digest"),
    ("pulls",),
    ("last_pulled_at",),
    select(manifests.c.repository_id, manifests.c.digest, _number("times"), _number("last")).where(
        manifests.c.repository_id == _REPOSITORY, manifests.c.digest == bindparam("what")
    ),
)
_OF_TAGS = Adding(
    tag_statistics,
    ("repository_id", "name"),
    ("pulls",),
    ("last_pulled_at",),
    select(tags.c.repository_id, tags.c.name, _number("times"), _number("last")).where(
        tags.c.repository_id == _REPOSITORY, tags.c.name == bindparam("what")
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Pulls of a manifest by one tag (None: by its digest), or with no digest only bytes that a repository sent.

    `last_pulled_at` is 0 where there was no pull.
    """

    repository_id: int
    digest: str | None
    tag: str | None
    pulls: int
    bytes_sent: int
    last_pulled_at: int


def add_counts(conn: Connection, counts: Collection[Count]) -> None:
    """Add the counts to those of the repositories, tags and manifests that still exist.

    In this order, and each in the order of keys: a push locks tags before manifests.
    """
    add(conn, _OF_REPOSITORIES, _sum((count, "") for count in counts))
    add(conn, _OF_TAGS, _sum((count, count.tag) for count in counts if count.tag is not None))
    add(conn, _OF_MANIFESTS, _sum((count, count.digest) for count in counts if count.digest is not None))


def _sum(counts: Iterable[tuple[Count, str]]) -> list[dict[str, Any]]:
    """Return one row for each repository and thing counted, in order."""
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for count, what in counts:
        key = (count.repository_id, what)
        row = rows.setdefault(key, {"repository": key[0], "what": what, "times": 0, "sent": 0, "last": 0})
        row["times"] += count.pulls
        row["sent"] += count.bytes_sent
        row["last"] = max(row["last"], count.last_pulled_at)
    return [rows[key] for key in sorted(rows)]
