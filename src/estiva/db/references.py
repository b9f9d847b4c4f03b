# SPDX-License-Identifier: Apache-2.0
"""References: the digests that a manifest needs. By digest, so that what was missing attaches when it comes."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select
from sqlalchemy import insert as sql_insert

from estiva.db.schema import manifest_references
from estiva.oci.manifests import Reference

_INSERT = sql_insert(manifest_references)
_OF = (
    select(manifest_references.c.digest)
    .where(manifest_references.c.manifest_id == bindparam("manifest"))
    .order_by(manifest_references.c.digest)
)


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
        conn.execute(_INSERT, rows)


def digests_of(conn: Connection, manifest_id: int) -> list[str]:
    """Return the digests that the manifest refers to, in order."""
    return list(conn.execute(_OF, {"manifest": manifest_id}).scalars())
