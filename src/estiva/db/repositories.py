# SPDX-License-Identifier: Apache-2.0
"""Repositories: names and their ids."""

from sqlalchemy import Connection, Integer, Text, bindparam, case, exists, func, select

from estiva.db.engine import HotQuery, insert_or_lock
from estiva.db.schema import manifests, repositories

# (id) of the repository of that name.
FIND = HotQuery(select(repositories.c.id).where(repositories.c.name == bindparam("wanted")), "wanted")

_NAME = repositories.c.name
_HOLDS_SOMETHING = exists().where(manifests.c.repository_id == repositories.c.id)
_LIMIT = bindparam("most", type_=Integer)
_CATALOG = select(_NAME).where(bindparam("after") < _NAME, _HOLDS_SOMETHING).order_by(_NAME).limit(_LIMIT)

_TEXT = bindparam("text", type_=Text)
_PATTERN = bindparam("pattern", type_=Text)
_SEARCH = (
    select(_NAME)
    .where(_NAME.like(_PATTERN, escape="\\"), _HOLDS_SOMETHING)
    .order_by(case((_NAME == _TEXT, 0), (func.substr(_NAME, 1, func.length(_TEXT)) == _TEXT, 1), else_=2), _NAME)
    .limit(_LIMIT)
)


def ensure(conn: Connection, name: str, now: int) -> int:
    """Return the id of the repository of that name, making it when there is none."""
    insert_or_lock(conn, repositories, ("name",), {"name": name, "created_at": now})
    found: int = conn.execute(FIND.statement, {"wanted": name}).scalar_one()
    return found


def catalog(conn: Connection, after: str, limit: int) -> list[str]:
    """Return the names after `after` of repositories that hold a manifest, in order."""
    return list(conn.execute(_CATALOG, {"after": after, "most": limit}).scalars())


def search(conn: Connection, text: str, limit: int) -> list[str]:
    """Return names that contain `text`: the one that is equal, those that begin with it, the rest; each in order.

    As in the catalog, only repositories that hold a manifest. Names are lower-case, so the text's case is ignored.
    """
    text = text.lower()
    literal = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return list(conn.execute(_SEARCH, {"text": text, "pattern": f"%{literal}%", "most": limit}).scalars())
