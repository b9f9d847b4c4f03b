# SPDX-License-Identifier: Apache-2.0
"""Manifests: what was pushed to a repository, with its bytes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, RowMapping, and_, bindparam, select

from estiva.db.batches import batches
from estiva.db.engine import HotQuery, insert_or_lock, values_of
from estiva.db.schema import manifest_references, manifests, tags

_HERE = manifests.c.repository_id == bindparam("repository")
_ONE = manifests.c.digest == bindparam("wanted")
_FOUND = select(
    manifests.c.digest, manifests.c.media_type, manifests.c.size, manifests.c.content, manifests.c.review_at
)

# Both answer (digest, media_type, size, content, review_at).
BY_DIGEST = HotQuery(_FOUND.where(_HERE, _ONE), "repository", "wanted")
BY_TAG = HotQuery(
    _FOUND.select_from(tags)
    .join(manifests, and_(manifests.c.repository_id == tags.c.repository_id, manifests.c.digest == tags.c.digest))
    .where(tags.c.repository_id == bindparam("repository"), tags.c.name == bindparam("tag")),
    "repository",
    "tag",
)

_ID = select(manifests.c.id).where(_HERE, _ONE)
_LOCK = (
    select(manifests.c.digest)
    .where(_HERE, manifests.c.digest.in_(bindparam("wanted", expanding=True)))
    .order_by(manifests.c.digest)
    .with_for_update()
)
_DELETE = manifests.delete().where(manifests.c.id == bindparam("manifest"))

_PARENTS = (
    select(manifests.c.repository_id, manifests.c.digest)
    .join_from(manifest_references, manifests, manifests.c.id == manifest_references.c.manifest_id)
    .where(
        manifest_references.c.repository_id == bindparam("repository"),
        manifest_references.c.digest == bindparam("wanted"),
    )
    .order_by(manifests.c.digest)
    .limit(bindparam("most", type_=Integer))
    .subquery("parents")
)
_NEEDED_BY = (
    select(_PARENTS.c.digest, tags.c.name)
    .outerjoin_from(
        _PARENTS, tags, and_(tags.c.repository_id == _PARENTS.c.repository_id, tags.c.digest == _PARENTS.c.digest)
    )
    .order_by(_PARENTS.c.digest, tags.c.name)
)

_OF_SUBJECT = manifests.c.subject == bindparam("subject")
_REFERRERS = (
    select(
        manifests.c.digest,
        manifests.c.media_type,
        manifests.c.size,
        manifests.c.artifact_type,
        manifests.c.annotations,
    )
    .where(_HERE, _OF_SUBJECT, manifests.c.digest > bindparam("after"))
    .order_by(manifests.c.digest)
    .limit(bindparam("most", type_=Integer))
)
_REFERRERS_OF_TYPE = _REFERRERS.where(manifests.c.artifact_type == bindparam("artifact_type"))
_DIGESTS_OF_REFERRERS = select(manifests.c.digest).where(_HERE, _OF_SUBJECT).order_by(manifests.c.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewManifest:
    """A manifest to be inserted; `annotations` is a JSON object."""

    repository_id: int
    digest: str
    media_type: str
    artifact_type: str | None
    subject: str | None
    size: int
    annotations: str
    created_at: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """A manifest as the list of referrers shows it; `annotations` is a JSON object."""

    digest: str
    media_type: str
    size: int
    artifact_type: str | None
    annotations: str


def _referrer(row: RowMapping) -> Referrer:
    return Referrer(**row)


def get_id(conn: Connection, repository_id: int, digest: str) -> int | None:
    """Return the manifest's id, or None."""
    return conn.execute(_ID, {"repository": repository_id, "wanted": digest}).scalar_one_or_none()


def lock(conn: Connection, repository_id: int, digests: Collection[str]) -> set[str]:
    """Return those of the digests that are manifests here, locked in order until the transaction ends."""
    found: set[str] = set()
    for batch in batches(digests):
        found.update(conn.execute(_LOCK, {"repository": repository_id, "wanted": batch}).scalars())
    return found


def insert(conn: Connection, manifest: NewManifest) -> int | None:
    """Insert the manifest and return its id; None when the repository has it, whose row is locked then."""
    if not insert_or_lock(conn, manifests, ("repository_id", "digest"), values_of(manifest)):
        return None
    return get_id(conn, manifest.repository_id, manifest.digest)


def delete(conn: Connection, manifest_id: int) -> None:
    """Delete the manifest; its references go with it."""
    conn.execute(_DELETE, {"manifest": manifest_id})


def needed_by(conn: Connection, repository_id: int, digest: str, limit: int) -> list[tuple[str, list[str]]]:
    """Return manifests that refer to the digest, in order, each with its tags."""
    rows = conn.execute(_NEEDED_BY, {"repository": repository_id, "wanted": digest, "most": limit})
    named: dict[str, list[str]] = {}
    for parent, tag in rows:
        named.setdefault(parent, []).extend([tag] if tag is not None else [])
    return list(named.items())


def referrers(
    conn: Connection, repository_id: int, subject: str, artifact_type: str | None, *, after: str, limit: int
) -> list[Referrer]:
    """Return the manifests that name the subject, of one artifact type unless None, by digest, after `after`."""
    values: dict[str, Any] = {"repository": repository_id, "subject": subject, "after": after, "most": limit}
    statement = _REFERRERS
    if artifact_type is not None:
        statement, values["artifact_type"] = _REFERRERS_OF_TYPE, artifact_type
    return [_referrer(row) for row in conn.execute(statement, values).mappings()]


def digests_of_referrers(conn: Connection, repository_id: int, subject: str) -> list[str]:
    """Return the digests of all manifests that name the subject, in order."""
    return list(conn.execute(_DIGESTS_OF_REFERRERS, {"repository": repository_id, "subject": subject}).scalars())
