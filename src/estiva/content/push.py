# SPDX-License-Identifier: Apache-2.0
"""The transactions that add a manifest and take one away.

Lock, then look (invariant 5): the rows that a manifest refers to are locked, in the order tags, links, manifests,
before it is checked that they are there; whoever condemns one locks it too, and looks for references afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from estiva.content.needs import refuse_if_needed
from estiva.content.terms import Moment
from estiva.db import links, manifests, references, reviews, tags
from estiva.db.manifests import NewManifest
from estiva.errors import ManifestReferenceUnknown, ManifestUnknown, PreconditionFailed
from estiva.oci.conditions import etag, match, none_match
from estiva.oci.manifests import Manifest, Role
from estiva.options.content import ContentOptions, Missing

NAMED = 20  # how many of the missing digests an error's text names; its detail names all


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A manifest to be stored under its digest, and the tags to be set on it.

    `if_match` and `if_none_match` are headers as sent; they speak of what the (single) tag points to now, or of the
    digest when there is no tag.
    """

    digest: str
    manifest: Manifest
    content: bytes
    tags: Sequence[str] = ()
    if_match: str | None = None
    if_none_match: str | None = None


def push_manifest(conn: Connection, repository_id: int, push: Push, policy: ContentOptions, moment: Moment) -> None:
    """Store the manifest and set its tags. Raises ManifestReferenceUnknown, PreconditionFailed."""
    wanted = [reference.digest for reference in push.manifest.references]
    before = tags.lock(conn, repository_id, push.tags)
    found = links.lock(conn, repository_id, wanted)
    subject = [str(push.manifest.subject.digest)] if push.manifest.subject is not None else []
    affected = {*wanted, push.digest, *before.values(), *subject}
    present = manifests.lock(conn, repository_id, sorted(affected))
    _check_conditions(push, before, present)
    _check_references(push, found | present, policy)
    manifest_id = manifests.insert(conn, _row(repository_id, push, moment.now))
    if manifest_id is not None:
        references.insert(conn, manifest_id, repository_id, push.manifest.references)
    for tag in push.tags:
        tags.put(conn, repository_id, tag, push.digest, moment.now)
    reviews.settle(conn, repository_id, sorted(affected), moment.review_at)
    if manifest_id is not None:
        reviews.settle_referrers(conn, repository_id, push.digest, moment.review_at)
    elif not push.tags:
        reviews.postpone_manifest(conn, repository_id, push.digest, moment.review_at)


def _row(repository_id: int, push: Push, now: int) -> NewManifest:
    manifest = push.manifest
    return NewManifest(
        repository_id=repository_id,
        digest=push.digest,
        media_type=manifest.media_type,
        artifact_type=manifest.artifact_type,
        subject=None if manifest.subject is None else str(manifest.subject.digest),
        size=len(push.content),
        content=push.content,
        annotations=msgspec.json.encode(manifest.annotations).decode(),
        created_at=now,
    )


def _check_conditions(push: Push, before: dict[str, str], present: set[str]) -> None:
    there = push.digest if push.digest in present else None
    current = before.get(push.tags[0]) if push.tags else there
    if push.if_match is not None and (current is None or not match(push.if_match, etag(current))):
        raise PreconditionFailed(f"If-Match does not hold: the tag points to {current or 'nothing'} now")
    if push.if_none_match is None:
        return
    if current is not None and none_match(push.if_none_match, etag(current)):
        raise PreconditionFailed(f"If-None-Match does not hold: the tag points to {current} now")


def _check_references(push: Push, present: set[str], policy: ContentOptions) -> None:
    allowed = {
        Role.MANIFEST: policy.missing_manifests is Missing.ACCEPT,
        Role.CONFIG: policy.missing_blobs is Missing.ACCEPT,
        Role.LAYER: policy.missing_blobs is Missing.ACCEPT,
    }
    missing = [
        reference.digest
        for reference in push.manifest.references
        if reference.required and reference.digest not in present and not allowed[reference.role]
    ]
    if missing:
        named = ", ".join(missing[:NAMED]) + (" and others" if len(missing) > NAMED else "")
        raise ManifestReferenceUnknown(
            missing, f"the manifest refers to content that this repository does not have: {named}; push that first"
        )


def delete_manifest(conn: Connection, repository_id: int, digest: str, review_at: int) -> None:
    """Delete the manifest and the tags on it. Raises ManifestUnknown, ContentInUse."""
    tags.delete_of_manifest(conn, repository_id, digest)
    children = _children(conn, manifests.get_id(conn, repository_id, digest))
    links.lock(conn, repository_id, children)
    manifests.lock(conn, repository_id, sorted({*children, digest}))
    # Looked up again now that it is locked: it may have gone and come back, with the same children, or got more tags.
    manifest_id = manifests.get_id(conn, repository_id, digest)
    if manifest_id is None:
        raise ManifestUnknown(f"this repository has no manifest {digest}", detail={"reference": digest})
    refuse_if_needed(conn, repository_id, digest, "manifest")
    tags.delete_of_manifest(conn, repository_id, digest)
    manifests.delete(conn, manifest_id)
    reviews.settle(conn, repository_id, children, review_at)
    reviews.settle_referrers(conn, repository_id, digest, review_at)


def _children(conn: Connection, manifest_id: int | None) -> list[str]:
    return [] if manifest_id is None else references.digests_of(conn, manifest_id)
