# SPDX-License-Identifier: Apache-2.0
"""Upload sessions: how far they are, and who is writing to them."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, or_, select

from estiva.db.schema import uploads


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


def insert(conn: Connection, upload: Upload) -> None:
    """Insert a new session."""
    conn.execute(uploads.insert().values(asdict(upload)))


def get(conn: Connection, repository_id: int, session: str) -> Upload | None:
    """Return the session of that repository, or None."""
    statement = select(uploads).where(uploads.c.id == session, uploads.c.repository_id == repository_id)
    row = conn.execute(statement).mappings().one_or_none()
    return None if row is None else Upload(**row)


def lease(conn: Connection, session: str, token: str, now: int, until: int) -> bool:
    """Take the lease if nobody has it, or if it has run out; tell whether that worked."""
    free = or_(uploads.c.lease.is_(None), uploads.c.lease_until <= now)
    statement = uploads.update().where(uploads.c.id == session, free).values(lease=token, lease_until=until)
    return conn.execute(statement).rowcount == 1


def renew(conn: Connection, session: str, token: str, until: int) -> bool:
    """Keep the lease until later; False when it was lost. The row stays locked until the transaction ends."""
    statement = uploads.update().where(uploads.c.id == session, uploads.c.lease == token).values(lease_until=until)
    return conn.execute(statement).rowcount == 1


def progress(conn: Connection, session: str, token: str, size: int, *, hashed: str | None, expires_at: int) -> bool:
    """Write down how far the session is, and free it; False, and nothing written, when the lease was lost."""
    statement = uploads.update().where(uploads.c.id == session, uploads.c.lease == token)
    values = {"size": size, "hashed": hashed, "expires_at": expires_at, "lease": None, "lease_until": None}
    return conn.execute(statement.values(values)).rowcount == 1


def release(conn: Connection, session: str, token: str) -> None:
    """Free the session, if the lease is still this one."""
    statement = uploads.update().where(uploads.c.id == session, uploads.c.lease == token)
    conn.execute(statement.values(lease=None, lease_until=None))


def delete(conn: Connection, session: str) -> str | None:
    """Delete the session and return its object's key; None when there was none."""
    return conn.execute(uploads.delete().where(uploads.c.id == session).returning(uploads.c.key)).scalar_one_or_none()


def expired(conn: Connection, now: int, limit: int) -> list[Upload]:
    """Return sessions that have expired and that nobody is writing to."""
    unused = or_(uploads.c.lease.is_(None), uploads.c.lease_until <= now)
    statement = select(uploads).where(uploads.c.expires_at <= now, unused)
    rows = conn.execute(statement.order_by(uploads.c.expires_at).limit(limit)).mappings()
    return [Upload(**row) for row in rows]


def clear_leases(conn: Connection) -> None:
    """Free every session: for whoever knows that no other process can be writing."""
    conn.execute(uploads.update().where(uploads.c.lease.is_not(None)).values(lease=None, lease_until=None))
