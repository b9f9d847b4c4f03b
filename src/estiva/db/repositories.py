# SPDX-License-Identifier: Apache-2.0
"""Repositories: names and their ids."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, exists, select

from estiva.db.engine import HotQuery, insert_or_ignore
from estiva.db.schema import manifests, repositories

FIND = HotQuery(select(repositories.c.id).where(repositories.c.name == bindparam("name")), "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository."""

    id: int
    name: str
    created_at: int


def find(conn: Connection, name: str) -> Repository | None:
    """Return the repository of that name, or None."""
    row = conn.execute(select(repositories).where(repositories.c.name == name)).one_or_none()
    return None if row is None else Repository(id=row.id, name=row.name, created_at=row.created_at)


def ensure(conn: Connection, name: str, now: int) -> int:
    """Return the id of the repository of that name, making it when there is none."""
    insert_or_ignore(conn, repositories, {"name": name, "created_at": now})
    found: int = conn.execute(select(repositories.c.id).where(repositories.c.name == name)).scalar_one()
    return found


_HOLDS_SOMETHING = exists().where(manifests.c.repository_id == repositories.c.id)


def catalog(conn: Connection, after: str, limit: int) -> list[str]:
    """Return the names after `after` of repositories that hold a manifest, in order."""
    statement = select(repositories.c.name).where(repositories.c.name > after, _HOLDS_SOMETHING)
    return list(conn.execute(statement.order_by(repositories.c.name).limit(limit)).scalars())


def search(conn: Connection, text: str, limit: int) -> list[str]:
    """Return the names that contain `text`: those equal to it first, then those that begin with it, then the rest."""
    text = text.lower()
    name = repositories.c.name
    rank = case((name == text, 0), (name.startswith(text, autoescape=True), 1), else_=2)
    statement = select(name).where(name.contains(text, autoescape=True), _HOLDS_SOMETHING)
    return list(conn.execute(statement.order_by(rank, name).limit(limit)).scalars())
