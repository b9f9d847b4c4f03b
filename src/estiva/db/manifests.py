# SPDX-License-Identifier: Apache-2.0
"""Manifests: what was pushed to a repository, with its bytes."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, select

from estiva.db.batches import batches
from estiva.db.engine import HotQuery, insert_or_ignore
from estiva.db.schema import manifest_references, manifests, tags

_FOUND = (
    manifests.c.digest,
    manifests.c.media_type,
    manifests.c.size,
    manifests.c.content,
    manifests.c.review_at,
)
# Both answer with digest, media_type, size, content and review_at.
BY_DIGEST = HotQuery(
    select(*_FOUND).where(
        manifests.c.repository_id == bindparam("repository_id"), manifests.c.digest == bindparam("digest")
    ),
    "repository_id",
    "digest",
)
BY_TAG = HotQuery(
    select(*_FOUND)
    .join_from(
        tags, manifests, (manifests.c.repository_id == tags.c.repository_id) & (manifests.c.digest == tags.c.digest)
    )
    .where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("tag")),
    "repository_id",
    "tag",
)


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


def get_id(conn: Connection, repository_id: int, digest: str) -> int | None:
    """Return the manifest's id, or None."""
    statement = select(manifests.c.id).where(manifests.c.repository_id == repository_id, manifests.c.digest == digest)
    return conn.execute(statement).scalar_one_or_none()


def lock(conn: Connection, repository_id: int, digests: Collection[str]) -> set[str]:
    """Return those of the digests that are manifests here, locked in order until the transaction ends."""
    found: set[str] = set()
    for batch in batches(digests):
        condition = (manifests.c.repository_id == repository_id) & manifests.c.digest.in_(batch)
        statement = select(manifests.c.digest).where(condition).order_by(manifests.c.digest).with_for_update()
        found.update(conn.execute(statement).scalars())
    return found


def insert(conn: Connection, manifest: NewManifest) -> int | None:
    """Insert the manifest and return its id; None when the repository has it already."""
    if not insert_or_ignore(conn, manifests, asdict(manifest)):
        return None
    return get_id(conn, manifest.repository_id, manifest.digest)


def delete(conn: Connection, manifest_id: int) -> None:
    """Delete the manifest; its references go with it."""
    conn.execute(manifests.delete().where(manifests.c.id == manifest_id))


def needed_by(conn: Connection, repository_id: int, digest: str, limit: int) -> list[tuple[str, list[str]]]:
    """Return manifests that refer to the digest, each with its tags."""
    parents = (
        select(manifests.c.digest)
        .join_from(manifest_references, manifests, manifests.c.id == manifest_references.c.manifest_id)
        .where(manifest_references.c.repository_id == repository_id, manifest_references.c.digest == digest)
        .order_by(manifests.c.digest)
        .limit(limit)
        .subquery()
    )
    on = (tags.c.repository_id == repository_id) & (tags.c.digest == parents.c.digest)
    statement = select(parents.c.digest, tags.c.name).join_from(parents, tags, on, isouter=True)
    named: dict[str, list[str]] = {}
    for parent, tag in conn.execute(statement.order_by(parents.c.digest, tags.c.name)):
        named.setdefault(parent, []).extend([tag] if tag is not None else [])
    return list(named.items())


def referrers(
    conn: Connection, repository_id: int, subject: str, artifact_type: str | None, *, after: str, limit: int
) -> list[Referrer]:
    """Return the manifests that name the subject, of one artifact type unless None, by digest, after `after`."""
    columns = (
        manifests.c.digest,
        manifests.c.media_type,
        manifests.c.size,
        manifests.c.artifact_type,
        manifests.c.annotations,
    )
    statement = select(*columns).where(
        manifests.c.repository_id == repository_id, manifests.c.subject == subject, manifests.c.digest > after
    )
    if artifact_type is not None:
        statement = statement.where(manifests.c.artifact_type == artifact_type)
    rows = conn.execute(statement.order_by(manifests.c.digest).limit(limit)).mappings()
    return [Referrer(**row) for row in rows]


def digests_of_referrers(conn: Connection, repository_id: int, subject: str) -> list[str]:
    """Return the digests of all manifests that name the subject."""
    statement = select(manifests.c.digest).where(
        manifests.c.repository_id == repository_id, manifests.c.subject == subject
    )
    return list(conn.execute(statement).scalars())
