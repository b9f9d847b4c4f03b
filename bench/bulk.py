# SPDX-License-Identifier: Apache-2.0
"""Fill Estiva's database with many tags and repositories, past the API: for benchmarks only.

`python -m bench.bulk DATABASE TAGS REPOSITORIES`, while the server is stopped. The repository `bench/large` must hold a
manifest under the tag `seed`. It is copied: each copy has an annotation of its own, its digest, rows for what it
refers to, and fifty tags. Other repositories hold one copy each, without tags, so that the catalog shows them.
"""

import asyncio
import itertools
import sys
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from estiva.client.content import digest_of
from estiva.db.opening import open_database
from estiva.db.schema import manifest_references, manifests, repositories, tags

REPOSITORY = "bench/large"
SEED = "seed"
TAGS_EACH = 50

_BATCH = 20_000
_FIRST_ID = 1_000_000_000
"""Ids of copies; far from those that the server has given."""


def tag(number: int) -> str:
    """Return the name of the tag with that number."""
    return f"v{number:07}"


def repository(number: int) -> str:
    """Return the name of the repository with that number."""
    return f"bench/many/r{number:06}"


def fill(conn: Connection, wanted_tags: int, wanted_repositories: int) -> None:
    """Insert everything; one transaction."""
    here = conn.execute(select(repositories.c.id).where(repositories.c.name == REPOSITORY)).scalar_one()
    held = select(tags.c.digest).where(tags.c.repository_id == here, tags.c.name == SEED).scalar_subquery()
    seed = dict(conn.execute(select(manifests).where(manifests.c.digest == held)).mappings().one())
    needed = select(manifest_references).where(manifest_references.c.manifest_id == seed["id"])
    parts = [dict(row) for row in conn.execute(needed).mappings()]
    count = -(-wanted_tags // TAGS_EACH)
    copies = [_copy(seed, here, number) for number in range(count)]
    _insert(conn, manifests, iter(copies))
    _insert(conn, manifest_references, ({**part, "manifest_id": copy["id"]} for copy in copies for part in parts))
    now = seed["created_at"]
    _insert(
        conn,
        tags,
        (
            {
                "repository_id": here,
                "name": tag(number),
                "digest": copies[number // TAGS_EACH]["digest"],
                "updated_at": now,
            }
            for number in range(wanted_tags)
        ),
    )
    places = [
        {"id": _FIRST_ID + number, "name": repository(number), "created_at": now}
        for number in range(wanted_repositories)
    ]
    _insert(conn, repositories, iter(places))
    _insert(conn, manifests, (_copy(seed, place["id"], count + number) for number, place in enumerate(places)))


def _copy(seed: dict[str, Any], repository_id: int, number: int) -> dict[str, Any]:
    # As long as the original, so that the size stays.
    mark = f"{number:0{len(SEED)}x}".encode()
    content = seed["content"].replace(SEED.encode(), mark)
    return {
        **seed,
        "id": _FIRST_ID + number,
        "repository_id": repository_id,
        "digest": digest_of(content),
        "size": len(content),
        "content": content,
    }


def _insert(conn: Connection, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    while batch := list(itertools.islice(rows, _BATCH)):
        conn.execute(insert(table), batch)


async def main(location: str, wanted_tags: int, wanted_repositories: int) -> None:
    """Open the database, fill it and close it."""
    db = await open_database(location)
    await db.write(fill, wanted_tags, wanted_repositories)
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
