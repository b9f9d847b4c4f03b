# SPDX-License-Identifier: Apache-2.0
"""No statement walks through what grows: each finds its rows by an index, on either database.

What a server does is done once in a registry of some size, every statement is noted, and the database is asked how it
runs it. Search alone may look at every name.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, event

from db.rows import LATER, NOW, C, digest, new_manifest, new_upload
from estiva.blobstore import MemoryStore
from estiva.content.blobs import Blobs
from estiva.content.commit import commit_idle, commit_new, open_session
from estiva.content.expiry import Expiry
from estiva.content.manifests import Manifests
from estiva.content.push import Push
from estiva.content.referrers import Referrers
from estiva.content.statistics import Statistics
from estiva.content.tags import Tags
from estiva.content.terms import Moment, Terms
from estiva.db import condemn, manifests, repositories, schema, uploads
from estiva.oci.digests import Digest
from estiva.oci.manifests import parse_manifest
from estiva.oci.paging import Page
from estiva.oci.tags import Tag
from estiva.options.content import ContentOptions
from estiva.options.storage import StorageOptions

TAGS = 20_000
REPOSITORIES = 2_000
INDEX = "application/vnd.oci.image.index.v1+json"
MOMENT = Moment(now=NOW, review_at=LATER, delete_at=LATER)


def fill(conn):
    """Make one large repository, with as many manifests, references, referrers and blobs as tags, and many small."""
    names = [f"r{number:05}" for number in range(REPOSITORIES)]
    conn.execute(schema.repositories.insert(), [{"name": name, "created_at": NOW} for name in names])
    large = repositories.ensure(conn, "large", NOW)
    digests = [digest(number) for number in range(TAGS)]
    row = {name: getattr(new_manifest(large, C), name) for name in new_manifest(large, C).__dataclass_fields__}
    small = [{**row, "repository_id": number + 1, "digest": C} for number in range(REPOSITORIES)]
    ours = [{**row, "digest": one, "subject": digests[n // 2] if n % 10 else None} for n, one in enumerate(digests)]
    conn.execute(schema.manifests.insert(), small + ours)
    place = {"repository_id": large}
    first = manifests.get_id(conn, large, digests[0])
    needs = {**place, "role": "layer", "required": 1}
    conn.execute(
        schema.manifest_references.insert(),
        [{**needs, "manifest_id": first + n, "digest": digest(f"b{n}")} for n in range(TAGS)],
    )
    conn.execute(
        schema.tags.insert(),
        [{**place, "name": f"v{n:06}", "digest": one, "updated_at": NOW} for n, one in enumerate(digests)],
    )
    blobs = [{"digest": digest(f"b{n}"), "size": 7, "key": f"00/{n:032x}", "created_at": NOW} for n in range(TAGS)]
    conn.execute(schema.blobs.insert(), blobs)
    conn.execute(schema.links.insert(), [{**place, "digest": one["digest"], "created_at": NOW} for one in blobs])
    sessions = [new_upload(large, expires_at=LATER * 10) for _ in range(TAGS // 4)]
    for session in sessions:
        uploads.insert(conn, session)
    keys = [{"key": f"01/{n:032x}", "delete_at": LATER * 10} for n in range(TAGS // 4)]
    conn.execute(schema.condemned_objects.insert(), keys)
    return large


@dataclass(frozen=True)
class Noted:
    """A statement as it was sent, with its parameters."""

    text: str
    parameters: Any


@pytest.fixture
def noted():
    """The statements that change or ask something, as they come."""
    seen = []

    def note(conn, cursor, statement, parameters, context, executemany):
        if statement.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
            seen.append(Noted(statement, parameters[0] if executemany else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


async def work(database, large):
    """Do everything that a server does, once."""
    terms, store = Terms(lambda: NOW, StorageOptions()), MemoryStore()
    manifest = parse_manifest(
        json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": None}).encode(), INDEX
    )
    served = Manifests(database, store, terms, ContentOptions())
    for tag in ("v000001", "new"):
        await served.push(large, Push(digest=digest(tag), manifest=manifest, content=b"{}", tags=[tag]))
    await served.delete(large, Digest.parse(digest("new")))
    await served.delete(large, Digest.parse(digest(0)))
    tags = Tags(database, terms)
    await tags.page(large, Page(limit=100, last="v010000"))
    await tags.delete(large, Tag.parse("v000002"))
    await Referrers(database).page(large, Digest.parse(digest(9)), None, "", 10)
    await database.read(repositories.catalog, "r01000", 100)
    upload = new_upload(large, expires_at=LATER)
    await database.note(uploads.insert, upload)
    token = uuid.uuid4().hex
    leased = await database.note(open_session, large, upload.id, token, NOW)
    await database.note(uploads.progress, upload.id, token, 7, hashed="0", expires_at=LATER)
    leased = await database.note(open_session, large, upload.id, token, NOW)
    await database.write(commit_new, leased, token, C, MOMENT)
    idle = new_upload(large, expires_at=LATER, size=7)
    await database.note(uploads.insert, idle)
    assert await database.write(commit_idle, idle, digest("idle"), MOMENT)
    await Blobs(database, store, terms).delete(large, Digest.parse(C))
    for condemning in (condemn.condemn_link, condemn.condemn_manifest):
        await database.write(condemning, large, digest(5), LATER * 9, LATER)
    await database.write(condemn.condemn_blob, C, LATER * 9, LATER)
    expiry = Expiry(database, store, terms)
    await expiry.expire_uploads()
    await expiry.remove_objects()
    counting = Statistics(database, lambda: NOW)
    counting.pulled(large, digest(7), "v000007")
    await counting.flush()


def details(conn, statement):
    """Return what SQLite says of how it runs a statement, line by line."""
    plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.text}", statement.parameters)
    return [row.detail for row in plan.all()]


def walks(statement, line):
    """Tell whether a line of a plan says that something large is walked through."""
    if line == "SCAN parents":  # a list of ten at most, made for the statement
        return False
    # A repository is listed when it holds any manifest: the first that is found ends that search.
    return line.startswith("SCAN") or (line.endswith("(repository_id=?)") and "FROM repositories" not in statement.text)


async def test_on_sqlite_every_row_is_searched_by_all_of_its_key(sqlite, noted):
    large = await sqlite.write(fill)
    noted.clear()
    await work(sqlite, large)
    statements = list({one.text: one for one in noted}.values())
    found = {one.text: await sqlite.read(details, one) for one in statements}
    assert {one.text: found[one.text] for one in statements if any(walks(one, line) for line in found[one.text])} == {}
    assert len(statements) > 30


def nodes(plan):
    """Yield a plan of PostgreSQL, and all that it is made of."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def explain(conn, statement):
    answer = conn.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement.text}", statement.parameters).scalar_one()
    return (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]


@pytest.mark.postgresql
async def test_on_postgresql_no_table_is_read_from_end_to_end(postgresql, noted):
    large = await postgresql.write(fill)
    await postgresql.write(lambda conn: conn.exec_driver_sql("ANALYZE"))
    noted.clear()
    await work(postgresql, large)
    by_text = {one.text: one for one in noted if "pg_" not in one.text}
    walks = {}
    for text, statement in by_text.items():
        plan = await postgresql.write(explain, statement)
        bad = [
            (node["Node Type"], node.get("Relation Name"))
            for node in nodes(plan)
            if node["Node Type"] == "Seq Scan" or ("Index" in node["Node Type"] and "Index Cond" not in node)
        ]
        if bad:
            walks[text] = bad
    assert walks == {}
    assert len(by_text) > 30
