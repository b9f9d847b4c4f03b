# SPDX-License-Identifier: Apache-2.0
"""Rows that only Estiva takes part in: a million tags, and what a look-up costs."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from bench import bulk, wrk
from bench.clients import put_manifest
from bench.contenders import Work
from bench.measuring import Stage
from bench.plan import MIB, BenchError
from bench.reading import ASKED, EACH, Store, ask_one_and_each
from bench.results import Column, Sample
from bench.servers import Server
from bench.shelves import Shelf
from bench.wire import Connection
from estiva.client.content import MANIFEST_TYPE, digest_of
from estiva.db.manifests import BY_TAG
from estiva.db.opening import open_database, prepare_database

TAGS, REPOSITORIES = 1_000_000, 100_000

_ASKED = 20_000
_PAGES = 300
_CHANGES = 20
_LOOKUPS = 20_000
_PATH = f"/v2/{bulk.REPOSITORY}"
_SEED = f"{_PATH}/manifests/{bulk.SEED}"


@dataclass(frozen=True, kw_only=True)
class LargeRow:
    """One repository with a million tags beside 100,000 others, filled past the API."""

    stage: Stage
    name: str
    title: str
    largest: int = MIB
    work: Work = Work.BULK
    renewed: bool = False
    columns: tuple[Column, ...] = (
        *ASKED,
        *EACH,
        Column(key="tags", title="page of tags, p99, ms"),
        Column(key="catalog", title="page of the catalog, p99, ms"),
        Column(key="list", title="all tags, s"),
        Column(key="list-memory", title="growth by that, MiB"),
        Column(key="put", title="one more tag, ms"),
        Column(key="delete", title="delete a manifest, ms"),
        Column(key="start", title="start to first manifest, ms"),
        Column(key="killed", title="the same after kill -9, ms"),
    )

    @property
    def tags(self) -> int:
        """How many tags there are."""
        return self.stage.plan.count(TAGS)

    @property
    def repositories(self) -> int:
        """How many other repositories there are."""
        return self.stage.plan.count(REPOSITORIES)

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Push one image, stop, fill, and start again."""
        Store(shelf=shelf, payload=self.stage.payload, expected={}).images(bulk.REPOSITORY, [bulk.SEED])
        server.stop()
        database = str(server.directory / "data" / "estiva.db")
        command = [sys.executable, "-m", "bench.bulk", database, str(self.tags), str(self.repositories)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode:
            raise BenchError(f"the database could not be filled: {told.stderr.strip().splitlines()[-1]}")
        server.start(_SEED, 200)
        self._check(server)
        wrk.ask(server.port, self._targets, 1)

    def _check(self, server: Server) -> None:
        """Raise `BenchError` unless a copied manifest is served under its tag and has its digest."""
        with Connection(server.port) as connection:
            answer = connection.request(
                "GET", f"{_PATH}/manifests/{bulk.tag(self.tags - 1)}", headers={"Accept": MANIFEST_TYPE}
            ).expect(200)
        if answer.headers["docker-content-digest"] != digest_of(answer.body):
            raise BenchError("a manifest that was filled in has another digest than it should")

    @cached_property
    def _targets(self) -> list[str]:
        numbers = random.Random(1).sample(range(self.tags), min(_ASKED, self.tags))
        return [f"{_PATH}/manifests/{bulk.tag(number)}" for number in numbers]

    def measure(self, server: Server) -> Sample:
        """Read, list, change, and start again."""
        asked = ask_one_and_each(server, self._targets, self.stage.plan.seconds(3))
        figures = {**asked.figures, **self._lists(server), **_changes(server), **self._starts(server)}
        return Sample(figures=figures, foreign=asked.foreign)

    def _lists(self, server: Server) -> dict[str, float]:
        draw = random.Random(2)
        with Connection(server.port) as connection:

            def ask(target: str) -> float:
                begin = time.monotonic()
                connection.request("GET", target).expect(200)
                return time.monotonic() - begin

            tag_pages = _p99(lambda: ask(f"{_PATH}/tags/list?n=100&last={bulk.tag(draw.randrange(self.tags))}"), _PAGES)
            catalog = _p99(
                lambda: ask(f"/v2/_catalog?n=100&last={bulk.repository(draw.randrange(self.repositories))}"), _PAGES
            )
            before = server.resident_bytes()
            server.forget_peak()
            begin = time.monotonic()
            answer = connection.request("GET", f"{_PATH}/tags/list").expect(200)
            took = time.monotonic() - begin
            grown = max(0, server.peak_bytes() - before)
        if len(json.loads(answer.body)["tags"]) < self.tags:
            raise BenchError("the list of all tags is not complete")
        return {"tags": tag_pages, "catalog": catalog, "list": took, "list-memory": grown / MIB}

    def _starts(self, server: Server) -> dict[str, float]:
        server.stop()
        os.sync()
        stopped = server.start(self._targets[0], 200)
        self._check(server)
        server.kill()
        killed = server.start(self._targets[0], 200)
        self._check(server)
        return {"start": stopped * 1000, "killed": killed * 1000}


def _changes(server: Server) -> dict[str, float]:
    """Return the median milliseconds of one more tag on a new manifest, and of the deletion of such a one."""
    puts, deletes = [], []
    with Connection(server.port) as connection:
        seed = connection.request("GET", _SEED, headers={"Accept": MANIFEST_TYPE}).expect(200).body
        for number in range(_CHANGES):
            document = seed.replace(bulk.SEED.encode(), f"more-{number}".encode())
            begin = time.monotonic()
            put_manifest(connection, bulk.REPOSITORY, f"more-{number}", document)
            between = time.monotonic()
            connection.request("DELETE", f"{_PATH}/manifests/{digest_of(document)}").expect(202)
            puts.append(between - begin)
            deletes.append(time.monotonic() - between)
    middle = _CHANGES // 2
    return {"put": sorted(puts)[middle] * 1000, "delete": sorted(deletes)[middle] * 1000}


def _p99(ask: Callable[[], float], count: int) -> float:
    """Return the p99 of what `ask` returns, in milliseconds."""
    times = sorted(ask() for _ in range(count))
    return times[int(count * 0.99)] * 1000


@dataclass(frozen=True, kw_only=True)
class LookupRow:
    """What one more look-up would cost a request: a stand-in for that of a token, until there is one.

    The query of a tag joins two tables by their keys, as that of a token and its rights will; it runs in this
    benchmark's process, in the way in which a worker runs it.
    """

    stage: Stage
    name: str
    title: str
    largest: int = MIB
    work: Work = Work.BULK
    renewed: bool = True
    columns: tuple[Column, ...] = (Column(key="cpu", title="CPU-ms per 1,000 look-ups", shown=True),)

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store many tags."""
        server.stop()

    def measure(self, server: Server) -> Sample:
        """Look up over and over."""
        cpu = asyncio.run(_look_up(str(server.directory / "lookup.db"), self.stage.plan.count(_LOOKUPS)))
        return Sample(figures={"cpu": cpu * 1000}, foreign=None)


async def _look_up(location: str, count: int) -> float:
    """Return the CPU milliseconds of one look-up."""
    await prepare_database(location)
    db = await open_database(location)
    begin = time.process_time()
    for number in range(count):
        await db.row(BY_TAG, 1, str(number))
    took = time.process_time() - begin
    await db.close()
    return took * 1000 / count
