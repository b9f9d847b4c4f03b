# SPDX-License-Identifier: Apache-2.0
"""Rows that read: many small requests, and the first answer after a start."""

import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench import wrk
from bench.bodies import Payload, config_body
from bench.contenders import Work
from bench.measuring import CORES, Meter, Stage
from bench.plan import CHUNK, MIB, BenchError
from bench.results import Better, Column, Sample
from bench.servers import Server, machine_busy
from bench.shelves import Shelf
from bench.wire import Body, Connection
from estiva.client.content import MANIFEST_TYPE, manifest

_SETTLE_S = 1.0

ASKED = (
    Column(key="rate", title="requests/s", better=Better.HIGHER, shown=True),
    Column(key="cpu", title="CPU-ms per 1,000", shown=True),
    Column(key="p50", title="p50, ms"),
    Column(key="p99", title="p99, ms"),
    Column(key="client", title="client CPU-ms per 1,000"),
)
"""What `ask_often` tells."""

EACH = (
    Column(key="each-rate", title="requests/s, each tag in turn", better=Better.HIGHER),
    Column(key="each-cpu", title="CPU-ms per 1,000, each tag in turn"),
    Column(key="each-p99", title="p99, ms, each tag in turn"),
)
"""What `ask_one_and_each` tells besides."""


@dataclass(frozen=True, kw_only=True)
class RequestRow:
    """Many GETs over 32 connections; `contents` stores what they ask for."""

    stage: Stage
    name: str
    title: str
    contents: "Callable[[Store], None]"
    work: Work = Work.PULL
    renewed: bool = False
    largest: int = MIB
    columns: tuple[Column, ...] = ASKED

    @cached_property
    def _stored(self) -> dict[str, bytes]:
        return {}

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store, compare one answer with what was stored, and ask for a second."""
        self.contents(Store(shelf=shelf, payload=self.stage.payload, expected=self._stored))
        target, expected = next(iter(self._stored.items()))
        with Connection(server.port) as connection:
            answer = connection.request("GET", target, headers={"Accept": MANIFEST_TYPE}).expect(200)
        if answer.body != expected:
            raise BenchError(f"{server.name} answered {target} with other bytes than were stored")
        wrk.ask(server.port, self._targets, 1)

    @cached_property
    def _targets(self) -> Sequence[str]:
        targets = list(self._stored)
        random.Random(1).shuffle(targets)
        return targets

    def measure(self, server: Server) -> Sample:
        """Ask for four seconds."""
        return ask_often(server, self._targets, self.stage.plan.seconds(4))


@dataclass(frozen=True, kw_only=True)
class TagsRow(RequestRow):
    """One tag of many asked for again and again, then every tag in random order."""

    columns: tuple[Column, ...] = (*ASKED, *EACH)

    def measure(self, server: Server) -> Sample:
        """Ask for four seconds, twice."""
        return ask_one_and_each(server, self._targets, self.stage.plan.seconds(4))


def ask_one_and_each(server: Server, targets: Sequence[str], seconds: float) -> Sample:
    """GET the first target for whole `seconds`, then all of them in turn for as long, and add that (`EACH`)."""
    one, each = ask_often(server, targets[:1], seconds), ask_often(server, targets, seconds)
    figures = {**one.figures, **{f"each-{key}": each.figures[key] for key in ("rate", "cpu", "p99")}}
    return Sample(figures=figures, foreign=max(one.foreign or 0.0, each.foreign or 0.0))


def ask_often(server: Server, targets: Sequence[str], seconds: float) -> Sample:
    """GET the targets in turn for whole `seconds`."""
    with Meter(server) as meter:
        rate = wrk.ask(server.port, targets, seconds)
    thousands = rate.requests / 1000
    figures = {
        "rate": rate.requests / rate.seconds,
        "cpu": meter.server_cpu * 1000 / thousands,
        "p50": rate.p50_ms,
        "p99": rate.p99_ms,
        "client": rate.cpu * 1000 / thousands,
    }
    return meter.sample(rate.cpu, figures)


@dataclass(frozen=True, kw_only=True)
class StartRow:
    """A server that holds an image is started again and asked for its manifest at once."""

    stage: Stage
    name: str
    title: str
    largest: int = MIB
    work: Work = Work.PULL
    renewed: bool = False
    columns: tuple[Column, ...] = (
        Column(key="first", title="first manifest after, ms", shown=True),
        Column(key="rss", title="resident after a second of rest, MiB", shown=True),
        Column(key="cpu", title="CPU-ms until then"),
    )

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store an image."""
        one_manifest(Store(shelf=shelf, payload=self.stage.payload, expected={}))

    def measure(self, server: Server) -> Sample:
        """Stop, start, rest."""
        server.stop()
        os.sync()
        busy, _ = machine_busy()
        begin = time.monotonic()
        first = server.start("/v2/bench/one/manifests/latest", 200)
        time.sleep(_SETTLE_S)
        cpu = server.cpu_seconds()
        foreign = machine_busy()[0] - busy - cpu
        figures = {"first": first * 1000, "rss": server.resident_bytes() / MIB, "cpu": cpu * 1000}
        return Sample(figures=figures, foreign=max(0.0, foreign / ((time.monotonic() - begin) * CORES)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A shelf that remembers by target what must be answered."""

    shelf: Shelf
    payload: Payload
    expected: dict[str, bytes]

    def blob(self, repository: str, body: Body) -> None:
        """Store a blob to be asked for."""
        self.shelf.put_blob(repository, body, self.payload)
        self.expected[f"/v2/{repository}/blobs/{body.digest}"] = b"".join(self.payload.content(body))

    def images(self, repository: str, tags: Sequence[str]) -> None:
        """Store manifests to be asked for; all have the same eight layers, the median of what registries hold."""
        config = config_body(repository)
        layers = [self.payload.body(2 * CHUNK, f"{repository}-{layer}") for layer in range(8)]
        for body in (config, *layers):
            self.shelf.put_blob(repository, body, self.payload)
        documents = [(tag, manifest(config, layers, tag)) for tag in tags]
        self.shelf.put_manifests(repository, documents)
        self.expected.update({f"/v2/{repository}/manifests/{tag}": document for tag, document in documents})


def one_manifest(store: Store) -> None:
    """Store one tag."""
    store.images("bench/one", ["latest"])


def many_manifests(tags: int) -> Callable[[Store], None]:
    """Return what stores so many tags in one repository."""
    return lambda store: store.images("bench/many", [f"v{number}" for number in range(tags)])


def one_blob(size: int) -> Callable[[Store], None]:
    """Return what stores one blob of `size` bytes."""
    return lambda store: store.blob("bench/blob", store.payload.body(size, "blob"))
