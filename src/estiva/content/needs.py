# SPDX-License-Identifier: Apache-2.0
"""Who needs what: content that a live manifest refers to is not deleted."""

from sqlalchemy import Connection

from estiva.db import manifests
from estiva.errors import ContentInUse

NAMED = 10  # how many of those that need it an error names


def refuse_if_needed(conn: Connection, repository_id: int, digest: str, what: str) -> None:
    """Raise ContentInUse when a manifest of the repository refers to `digest`, whose row the caller has locked."""
    needed_by = manifests.needed_by(conn, repository_id, digest, NAMED)
    if not needed_by:
        return
    names = [f"{parent} ({', '.join(tags)})" if tags else f"{parent} (untagged)" for parent, tags in needed_by]
    more = " and others" if len(names) == NAMED else ""
    raise ContentInUse(
        f"the {what} {digest} is still needed by {'; '.join(names)}{more}; delete what needs it first",
        needed_by=[parent for parent, _ in needed_by],
    )
