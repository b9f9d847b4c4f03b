# SPDX-License-Identifier: Apache-2.0
"""Take stock of a registry behind its back: every row and every object, and whether they fit together.

The rules are those of ARCHITECTURE.md, written down a second time and without the registry's own code: what it says
of itself is not asked for.
"""

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.objects import object_files

Row = dict[str, Any]
TABLES = ("repositories", "blobs", "links", "manifests", "manifest_references", "tags", "uploads", "condemned_objects")


def _rows(connection: sqlite3.Connection) -> dict[str, list[Row]]:
    connection.row_factory = sqlite3.Row
    connection.execute("BEGIN")  # one state of all tables
    return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in TABLES}


def read_abandoned_sqlite(database: Path, *, empty_allowed: bool = False) -> dict[str, list[Row]]:
    """Read the tables of a file that nobody has open, from a copy: the file itself stays as the crash left it.

    A file that has no tables yet counts as empty where that is allowed.
    """
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "copy.db"
        for ending in ("", "-wal", "-journal"):
            found = database.with_name(database.name + ending)
            if found.exists():
                shutil.copyfile(found, copy.with_name(copy.name + ending))
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            if empty_allowed and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
                return {table: [] for table in TABLES}
            return _rows(connection)


def read_served_sqlite(database: Path) -> dict[str, list[Row]]:
    """Read the tables of a file that another process serves from."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)) as connection:
        return _rows(connection)


async def read_postgres(url: str) -> dict[str, list[Row]]:
    """Read the tables of a PostgreSQL database."""
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            return {table: [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")] for table in TABLES}
    finally:
        await connection.close()


@dataclass(frozen=True)
class Stock:
    """The tables of a registry and the directory of its objects, while no request is under way.

    `checked` holds keys whose bytes an earlier audit has compared with their digest.
    """

    tables: dict[str, list[Row]]
    objects: Path
    checked: set[str]

    def faults(self) -> list[str]:
        """Return what does not fit together; an empty list is what one hopes for."""
        checks = (
            self._objects_and_rows(),
            self._blobs(),
            self._uploads(),
            self._links_and_tags(),
            self._manifests(),
            self._references(),
            self._reviews(),
        )
        return [fault for check in checks for fault in check]

    @cached_property
    def _files(self) -> dict[str, Path]:
        return {str(path.relative_to(self.objects)): path for path in object_files(self.objects.parent)}

    @cached_property
    def _links(self) -> set[tuple[int, str]]:
        return {(row["repository_id"], row["digest"]) for row in self.tables["links"]}

    @cached_property
    def _manifest_keys(self) -> set[tuple[int, str]]:
        return {(row["repository_id"], row["digest"]) for row in self.tables["manifests"]}

    @cached_property
    def _referred(self) -> set[tuple[int, str]]:
        return {(row["repository_id"], row["digest"]) for row in self.tables["manifest_references"]}

    @cached_property
    def _tagged(self) -> set[tuple[int, str]]:
        return {(row["repository_id"], row["digest"]) for row in self.tables["tags"]}

    def _objects_and_rows(self) -> Iterator[str]:
        """Every object has a row that names it, and no two rows share one (invariants 1 to 3)."""
        keys = Counter(row["key"] for table in ("blobs", "uploads", "condemned_objects") for row in self.tables[table])
        yield from (f"object {key} has no row" for key in self._files if key not in keys)
        yield from (f"object {key} is named by {count} rows" for key, count in keys.items() if count > 1)

    def _blobs(self) -> Iterator[str]:
        """A blob's bytes are there, whole and unchanged (invariant 2)."""
        for row in self.tables["blobs"]:
            path = self._files.get(row["key"])
            if path is None:
                yield f"blob {row['digest']} has no object"
            elif path.stat().st_size != row["size"]:
                yield f"blob {row['digest']} has {path.stat().st_size} bytes, its row says {row['size']}"
            elif row["key"] not in self.checked:
                algorithm, _, encoded = row["digest"].partition(":")
                if hashlib.new(algorithm, path.read_bytes()).hexdigest() != encoded:
                    yield f"blob {row['digest']} has other bytes"
                self.checked.add(row["key"])

    def _uploads(self) -> Iterator[str]:
        """What an upload has acknowledged is there."""
        for row in self.tables["uploads"]:
            path = self._files.get(row["key"])
            stored = 0 if path is None else path.stat().st_size
            if stored < row["size"]:
                yield f"upload {row['id']} has {stored} bytes, its row says {row['size']}"

    def _links_and_tags(self) -> Iterator[str]:
        blobs = {row["digest"] for row in self.tables["blobs"]}
        yield from (f"link to {digest}, which is no blob" for _, digest in self._links if digest not in blobs)
        yield from (f"tag on {digest}, which is no manifest" for _, digest in self._tagged - self._manifest_keys)

    def _manifests(self) -> Iterator[str]:
        named = Counter((row["manifest_id"]) for row in self.tables["manifest_references"])
        for row in self.tables["manifests"]:
            algorithm, _, encoded = row["digest"].partition(":")
            if hashlib.new(algorithm, row["content"]).hexdigest() != encoded or len(row["content"]) != row["size"]:
                yield f"manifest {row['digest']} has other bytes"
            needs = wanted(row["content"])
            if len(needs) != named[row["id"]]:
                yield f"manifest {row['digest']} has {named[row['id']]} references, its content {len(needs)}"

    def _references(self) -> Iterator[str]:
        """What a manifest needs shows in its repository, as a blob or a manifest (invariants 5 and 6)."""
        there = self._links | self._manifest_keys
        for row in self.tables["manifest_references"]:
            if row["required"] and (row["repository_id"], row["digest"]) not in there:
                yield f"manifest {row['manifest_id']} needs {row['digest']}, which its repository lacks"

    def _reviews(self) -> Iterator[str]:
        """What is referenced carries no term, what is not carries one (invariant 4)."""
        linked = {digest for _, digest in self._links}
        for row in self.tables["blobs"]:
            yield from _review("blob", row, referenced=row["digest"] in linked)
        for row in self.tables["links"]:
            yield from _review("link", row, referenced=(row["repository_id"], row["digest"]) in self._referred)
        for row in self.tables["manifests"]:
            mine, subject = (row["repository_id"], row["digest"]), (row["repository_id"], row["subject"])
            kept = mine in self._tagged or mine in self._referred or subject in self._manifest_keys
            yield from _review("manifest", row, referenced=kept)


def wanted(manifest: bytes) -> set[str]:
    """Return the digests that a manifest needs."""
    document = json.loads(manifest)
    lists = (document.get(name) or [] for name in ("layers", "manifests", "blobs"))
    descriptors = [
        *([document["config"]] if document.get("config") else []),
        *(entry for each in lists for entry in each),
    ]
    return {descriptor["digest"] for descriptor in descriptors}


def _review(kind: str, row: Row, *, referenced: bool) -> Iterator[str]:
    if referenced and row["review_at"] is not None:
        yield f"{kind} {row['digest']} is referenced and has a term"
    if not referenced and row["review_at"] is None:
        yield f"{kind} {row['digest']} is not referenced and has no term"
