# SPDX-License-Identifier: Apache-2.0
"""Rows that push: large blobs, small images, and the calls that make both durable."""

import itertools
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import fsyncs
from bench.bodies import Payload
from bench.clients import ImagePusher, push_image, pushing, run_together
from bench.contenders import Work
from bench.measuring import STREAM_COLUMNS, Meter, Stage, stream_sample
from bench.plan import CHUNK, BenchError
from bench.results import Better, Column, Sample
from bench.servers import Server
from bench.shelves import Shelf
from bench.wire import Body, Connection

PUSHERS = 8

_NO_LIMIT = 1_000_000
_TRACED = 5
_TRACED_S = 60


@dataclass(frozen=True, kw_only=True)
class PushRow:
    """Large blobs pushed as docker does, each by a client of its own, to an empty server."""

    stage: Stage
    name: str
    title: str
    streams: int
    largest: int
    work: Work = Work.PUSH
    renewed: bool = True
    columns: tuple[Column, ...] = STREAM_COLUMNS
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Push a small image, so that the server has loaded what it needs."""
        _warm_up(server, self.stage.payload)

    def measure(self, server: Server) -> Sample:
        """Push blobs that the server has not seen, then ask for their sizes."""
        bodies = [self.stage.payload.body(self.largest, self._mark()) for _ in range(self.streams)]
        os.sync()
        with Meter(server) as meter:
            outcome = run_together([pushing(server.port, "bench/push", body) for body in bodies])
        _check_kept(server, "bench/push", bodies)
        return stream_sample(meter, outcome, self.largest * self.streams)

    def _mark(self) -> str:
        return f"{self.name}-{next(self._numbers)}"


@dataclass(frozen=True, kw_only=True)
class ImagesRow:
    """Small images pushed by eight clients, to an empty server."""

    stage: Stage
    name: str
    title: str
    largest: int
    work: Work = Work.PUSH
    renewed: bool = True
    columns: tuple[Column, ...] = (
        Column(key="rate", title="images/s", better=Better.HIGHER, shown=True),
        Column(key="cpu", title="CPU-ms per image", shown=True),
        Column(key="p50", title="p50 of an image, ms"),
        Column(key="p99", title="p99 of an image, ms"),
        Column(key="client", title="client CPU-ms per image"),
    )

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Push a small image, so that the server has loaded what it needs."""
        _warm_up(server, self.stage.payload)

    def measure(self, server: Server) -> Sample:
        """Push for four seconds."""
        os.sync()
        with Meter(server) as meter:
            outcome = run_together(pushers(self.stage, server, self.largest, limit=_NO_LIMIT))
        images = len(outcome.units)
        figures = {
            "rate": images / outcome.seconds,
            "cpu": meter.server_cpu * 1000 / images,
            "p50": statistics.median(outcome.units) * 1000,
            "p99": sorted(outcome.units)[int(images * 0.99)] * 1000,
            "client": outcome.cpu * 1000 / images,
        }
        return meter.sample(outcome.cpu, figures)


@dataclass(frozen=True, kw_only=True)
class FsyncRow:
    """The calls that make pushes durable, counted by strace; it slows the server, so nothing is timed here."""

    stage: Stage
    name: str
    title: str
    largest: int
    work: Work = Work.KEEP
    renewed: bool = True
    columns: tuple[Column, ...] = (
        Column(key="image", title="per small image, eight clients at once", shown=True),
        Column(key="blob", title="per pushed blob"),
    )

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Push a small image, so that the server has made the directories that it makes once."""
        _warm_up(server, self.stage.payload)

    def measure(self, server: Server) -> Sample:
        """Count during a few images, then during one blob."""
        clients = pushers(self.stage, server, self.largest, limit=_TRACED)
        body = self.stage.payload.body(self.largest, "traced")
        images = fsyncs.count(server, lambda: run_together(clients))
        blob = fsyncs.count(server, lambda: run_together([pushing(server.port, "bench/push", body)]))
        return Sample(figures={"image": images / (_TRACED * PUSHERS), "blob": blob}, foreign=None)


def pushers(stage: Stage, server: Server, layer: int, *, limit: int) -> list[ImagePusher]:
    """Return the clients that push small images, each to a repository of its own."""
    return [
        ImagePusher(
            port=server.port,
            repository=f"bench/images-{client}",
            payload=stage.payload.path,
            layer=layer,
            mark=f"image-{client}",
            seconds=stage.plan.seconds(4) if limit == _NO_LIMIT else _TRACED_S,
            limit=limit,
        )
        for client in range(PUSHERS)
    ]


def _warm_up(server: Server, payload: Payload) -> None:
    with Connection(server.port) as connection:
        push_image(connection, "bench/warm", payload.body(4 * CHUNK, "warm"), "warm")


def _check_kept(server: Server, repository: str, bodies: Sequence[Body]) -> None:
    """Raise `BenchError` when a blob is missing or has another size."""
    if not server.keeps:
        return
    with Connection(server.port) as connection:
        for body in bodies:
            answer = connection.request("HEAD", f"/v2/{repository}/blobs/{body.digest}").expect(200)
            if answer.headers.get("content-length") != str(body.size):
                raise BenchError(f"{server.name} keeps a blob of another size than was pushed")
