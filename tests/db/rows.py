# SPDX-License-Identifier: Apache-2.0
"""Rows for tests, made as the floor above makes them."""

import uuid

from estiva.db import blobs, links, manifests, references, repositories, reviews, tags
from estiva.db.blobs import Blob
from estiva.db.manifests import NewManifest
from estiva.db.uploads import Upload
from estiva.oci.manifests import Reference, Role

NOW = 1_000_000
TERM = 1000
LATER = NOW + TERM  # when the review of what is unreferenced at NOW begins


def digest(name: object) -> str:
    return f"sha256:{str(name).encode().hex():0>64}"


A, B, C, D, E = (digest(letter) for letter in "abcde")


def make_repository(conn, name="r") -> int:
    return repositories.ensure(conn, name, NOW)


def find_repository(conn, name) -> int | None:
    """Return the id of a repository."""
    return conn.execute(repositories.FIND.statement, {"wanted": name}).scalar_one_or_none()


def make_blob(conn, repository_id, wanted) -> str:
    """Let a blob show in a repository; return its key."""
    links.lock(conn, repository_id, [wanted])
    key = f"00/{uuid.uuid4().hex}"
    blobs.insert(conn, Blob(digest=wanted, size=7, key=key, created_at=NOW, review_at=None))
    links.insert(conn, repository_id, wanted, NOW)
    reviews.settle(conn, repository_id, [wanted], LATER)
    reviews.settle_blob(conn, wanted, LATER)
    return key


def new_manifest(repository_id, wanted, *, subject=None, artifact_type=None, content=b"{}") -> NewManifest:
    return NewManifest(
        repository_id=repository_id,
        digest=wanted,
        media_type="application/vnd.oci.image.manifest.v1+json",
        artifact_type=artifact_type,
        subject=subject,
        size=len(content),
        annotations='{"a":"é"}',
        created_at=NOW,
        content=content,
    )


def to(*digests) -> list[Reference]:
    return [Reference(digest=one, size=7, role=Role.LAYER, required=True) for one in digests]


def make_manifest(conn, repository_id, wanted, *, needs=(), subject=None, tag=None) -> None:
    """Push a manifest, whatever it needs."""
    names = [tag] if tag else []
    before = tags.lock(conn, repository_id, names)
    links.lock(conn, repository_id, needs)
    touched = {wanted, *needs, *before.values(), *([subject] if subject else [])}
    manifests.lock(conn, repository_id, touched)
    manifest_id = manifests.insert(conn, new_manifest(repository_id, wanted, subject=subject))
    if manifest_id is not None:
        references.insert(conn, manifest_id, repository_id, to(*needs))
    for name in names:
        tags.put(conn, repository_id, name, wanted, NOW)
    reviews.settle(conn, repository_id, touched, LATER)
    reviews.settle_referrers(conn, repository_id, wanted, LATER)


def new_upload(repository_id, **changes) -> Upload:
    values = {
        "id": str(uuid.uuid4()),
        "repository_id": repository_id,
        "key": f"00/{uuid.uuid4().hex}",
        "algorithm": "sha256",
        "size": 0,
        "hashed": None,
        "lease": None,
        "lease_until": None,
        "started_at": NOW,
        "expires_at": LATER,
    }
    return Upload(**values | changes)


def review_of(conn, table, wanted) -> int | None:
    """Return the review of the only row with that digest."""
    return conn.execute(table.select().where(table.c.digest == wanted)).one().review_at


def digests_in(conn, table) -> set[str]:
    return {row.digest for row in conn.execute(table.select())}
