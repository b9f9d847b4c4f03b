# SPDX-License-Identifier: Apache-2.0
"""Tags: names and the manifests they point to."""

from collections.abc import Collection

from sqlalchemy import Connection, Integer, bindparam, select

from estiva.db.batches import batches
from estiva.db.engine import lock_names, upsert
from estiva.db.schema import tags

_HERE = tags.c.repository_id == bindparam("repository")
_ONE = tags.c.name == bindparam("wanted")
_ON = tags.c.digest == bindparam("manifest")

_LOCK = (
    select(tags.c.name, tags.c.digest)
    .where(_HERE, tags.c.name.in_(bindparam("wanted", expanding=True)))
    .order_by(tags.c.name)
    .with_for_update()
)
_LOCK_ON = select(tags.c.name).where(_HERE, _ON).order_by(tags.c.name).with_for_update()
_DELETE = tags.delete().where(_HERE, _ONE)
_DELETE_ON = tags.delete().where(_HERE, _ON)
_PAGE = (
    select(tags.c.name)
    .where(_HERE, tags.c.name > bindparam("after"))
    .order_by(tags.c.name)
    .limit(bindparam("most", type_=Integer))
)


def lock(conn: Connection, repository_id: int, names: Collection[str]) -> dict[str, str]:
    """Return what those of the tags that exist point to, locked in order until the transaction ends.

    Those that do not exist are locked too: of two pushes that make the same tag, the second sees what the first did,
    so that it can judge its conditions and settle the manifest that loses the tag.
    """
    lock_names(conn, [f"tag {repository_id}/{name}" for name in names])
    found: dict[str, str] = {}
    for batch in batches(names):
        rows = conn.execute(_LOCK, {"repository": repository_id, "wanted": batch})
        found.update((name, digest) for name, digest in rows)
    return found


def put(conn: Connection, repository_id: int, name: str, digest: str, now: int) -> None:
    """Make the tag, or move it."""
    values = {"repository_id": repository_id, "name": name, "digest": digest, "updated_at": now}
    upsert(conn, tags, ("repository_id", "name"), values)


def delete(conn: Connection, repository_id: int, name: str) -> bool:
    """Delete the tag; False when there was none."""
    return conn.execute(_DELETE, {"repository": repository_id, "wanted": name}).rowcount == 1


def delete_of_manifest(conn: Connection, repository_id: int, digest: str) -> list[str]:
    """Delete every tag on the manifest and return their names, in order."""
    # Two statements: deleting alone would lock the tags in no order, and two such deletions could wait for each other.
    of = {"repository": repository_id, "manifest": digest}
    names = list(conn.execute(_LOCK_ON, of).scalars())
    conn.execute(_DELETE_ON, of)
    return names


def page(conn: Connection, repository_id: int, after: str, limit: int) -> list[str]:
    """Return the names after `after`, in order."""
    return list(conn.execute(_PAGE, {"repository": repository_id, "after": after, "most": limit}).scalars())
