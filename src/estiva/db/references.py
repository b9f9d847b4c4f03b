# SPDX-License-Identifier: Apache-2.0
"""References: the digests that a manifest needs. By digest, so that what was missing attaches when it comes."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from estiva.db.schema import manifest_references
from estiva.oci.manifests import Reference


def insert(conn: Connection, manifest_id: int, repository_id: int, references: Iterable[Reference]) -> None:
    """Insert the references of a new manifest."""
    rows = [
        {
            "manifest_id": manifest_id,
            "repository_id": repository_id,
            "digest": reference.digest,
            "role": reference.role.value,
            "required": int(reference.required),
        }
        for reference in references
    ]
    if rows:
        conn.execute(manifest_references.insert(), rows)


def digests_of(conn: Connection, manifest_id: int) -> list[str]:
    """Return the digests that the manifest refers to, in order."""
    statement = select(manifest_references.c.digest).where(manifest_references.c.manifest_id == manifest_id)
    return list(conn.execute(statement.order_by(manifest_references.c.digest)).scalars())
