# SPDX-License-Identifier: Apache-2.0
"""Upload sessions: how far they are, and who is writing to them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Integer, RowMapping, bindparam, or_, select
from sqlalchemy import insert as sql_insert

from estiva.db.engine import HotQuery, values_of
from estiva.db.schema import uploads

_OF_REPOSITORY = uploads.c.repository_id == bindparam("repository")
_MINE = uploads.c.id == bindparam("session")
_HELD = uploads.c.lease == bindparam("token")
_FREE = or_(uploads.c.lease.is_(None), uploads.c.lease_until <= bindparam("now"))
_NO_LEASE: dict[str, Any] = {"lease": None, "lease_until": None}
_UNTIL: BindParameter[int] = bindparam("until")

_INSERT = sql_insert(uploads)
_GET = select(uploads).where(_MINE, _OF_REPOSITORY)
# The columns of an `Upload`, in order.
OF_SESSION = HotQuery(select(*uploads.c).where(_OF_REPOSITORY, _MINE), "repository", "session")
_LEASE = uploads.update().where(_MINE, _FREE).values(lease=bindparam("token"), lease_until=_UNTIL)
_RENEW = uploads.update().where(_MINE, _HELD).values(lease_until=_UNTIL)
_PROGRESS = (
    uploads.update()
    .where(_MINE, _HELD)
    .values(size=bindparam("received"), hashed=bindparam("so_far"), expires_at=_UNTIL, **_NO_LEASE)
)
_RELEASE = uploads.update().where(_MINE, _HELD).values(_NO_LEASE)
_END_IDLE = uploads.delete().where(
    _MINE,
    uploads.c.size == bindparam("received"),
    uploads.c.lease.is_(None),
    uploads.c.expires_at > bindparam("now"),
)
_LOCK_KEY = select(uploads.c.key).where(_MINE).with_for_update()
_DELETE = uploads.delete().where(_MINE)
_EXPIRED = (
    select(uploads)
    .where(uploads.c.expires_at <= bindparam("now"), _FREE)
    .order_by(uploads.c.expires_at, uploads.c.id)
    .limit(bindparam("most", type_=Integer))
)
_OF_HOLDER = uploads.c.lease.like(bindparam("tokens"))
_CLEAR = uploads.update().where(uploads.c.lease.is_not(None)).values(_NO_LEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A session: `size` bytes are durable under `key`; `hashed` is their digest by `algorithm`, None: not known.

    `lease` is the token of the request that is writing, until `lease_until`.
    """

    id: str
    repository_id: int
    key: str
    algorithm: str
    size: int
    hashed: str | None
    lease: str | None
    lease_until: int | None
    started_at: int
    expires_at: int

    @property
    def digest(self) -> str | None:
        """The digest of the bytes so far, with its algorithm; None: not known."""
        return None if self.hashed is None else f"{self.algorithm}:{self.hashed}"


def _upload(row: RowMapping) -> Upload:
    return Upload(**row)


def insert(conn: Connection, upload: Upload) -> None:
    """Insert a new session."""
    conn.execute(_INSERT, values_of(upload))


def get(conn: Connection, repository_id: int, session: str) -> Upload | None:
    """Return the session of that repository, or None."""
    row = conn.execute(_GET, {"repository": repository_id, "session": session}).mappings().one_or_none()
    return None if row is None else _upload(row)


def lease(conn: Connection, session: str, token: str, now: int, until: int) -> bool:
    """Take the lease if nobody has it, or if it has run out; tell whether that worked."""
    values = {"session": session, "token": token, "now": now, "until": until}
    return conn.execute(_LEASE, values).rowcount == 1


def renew(conn: Connection, session: str, token: str, until: int) -> bool:
    """Keep the lease until later; False when it was lost. The row stays locked until the transaction ends."""
    return conn.execute(_RENEW, {"session": session, "token": token, "until": until}).rowcount == 1


def progress(conn: Connection, session: str, token: str, size: int, *, hashed: str | None, expires_at: int) -> bool:
    """Write down how far the session is, and free it; False, and nothing written, when the lease was lost."""
    values = {"session": session, "token": token, "received": size, "so_far": hashed, "until": expires_at}
    return conn.execute(_PROGRESS, values).rowcount == 1


def release(conn: Connection, session: str, token: str) -> None:
    """Free the session, if the lease is still this one."""
    conn.execute(_RELEASE, {"session": session, "token": token})


def end(conn: Connection, session: str) -> None:
    """Delete the session, whose object is a blob's now or condemned."""
    conn.execute(_DELETE, {"session": session})


def end_idle(conn: Connection, session: str, size: int, now: int) -> bool:
    """Delete the session if it stands at `size` and nobody is writing to it; tell whether that was so."""
    return conn.execute(_END_IDLE, {"session": session, "received": size, "now": now}).rowcount == 1


def delete(conn: Connection, session: str) -> str | None:
    """Delete the session and return its object's key; None when there was none."""
    # Not one DELETE ... RETURNING: SQLite has that since 3.35, and distributions with Python 3.11 ship 3.34.
    key: str | None = conn.execute(_LOCK_KEY, {"session": session}).scalar_one_or_none()
    if key is not None:
        conn.execute(_DELETE, {"session": session})
    return key


def expired(conn: Connection, now: int, limit: int) -> list[Upload]:
    """Return sessions that have expired and that nobody is writing to, the longest expired first."""
    return [_upload(row) for row in conn.execute(_EXPIRED, {"now": now, "most": limit}).mappings()]


def clear_leases(conn: Connection) -> None:
    """Free every session: for whoever knows that no other process can be writing."""
    conn.execute(_CLEAR)


def clear_leases_of(conn: Connection, holder: str) -> int:
    """Free the sessions that a dead process was writing to, and return how many; `holder` is hex digits and dashes."""
    return conn.execute(_CLEAR.where(_OF_HOLDER), {"tokens": f"{holder}:%"}).rowcount
