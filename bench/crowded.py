# SPDX-License-Identifier: Apache-2.0
"""Rows of many slow clients: what they cost in memory, and what they cost the others."""

import itertools
import os
import resource
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bench import wrk
from bench.clients import pushing, run_together
from bench.contenders import Work
from bench.measuring import Stage
from bench.plan import CHUNK, KIB, MIB
from bench.reading import Store, one_manifest
from bench.results import Better, Column, Sample
from bench.servers import Server
from bench.shelves import Shelf
from bench.wire import HOST, Body, Connection

IDLE, SLOW = 2_000, 500
HELD = 1_000
"""Slow clients of each kind in the row of memory."""

_SETTLE_S = 1.0
_MANIFEST = "/v2/bench/one/manifests/latest"


class Crowd:
    """Connections that rest after one request each, and uploads that get one byte a second."""

    def __init__(self, port: int, *, idle: int, slow: int) -> None:
        self._port = port
        self._idle, self._slow = idle, slow
        self._connections: list[Connection] = []
        self._uploads: list[socket.socket] = []
        self._left = threading.Event()
        self._dripping = threading.Thread(target=self._drip, daemon=True)

    def __enter__(self) -> Self:
        allow_files()
        for _ in range(self._idle):
            self._connect().request("GET", "/v2/").expect(200)
        for _ in range(self._slow):
            connection = self._connect()
            opened = connection.request("POST", "/v2/bench/slow/blobs/uploads/").expect(202)
            self._uploads.append(connection.begin("PATCH", opened.location))
        self._dripping.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._dripping.join()
        for connection in self._connections:
            connection.close()

    def _connect(self) -> Connection:
        self._connections.append(Connection(self._port))
        return self._connections[-1]

    def _drip(self) -> None:
        """Send every upload a byte, once a second."""
        while not self._left.wait(1):
            for upload in self._uploads:
                upload.sendall(b"1\r\nx\r\n")


@dataclass(frozen=True, kw_only=True)
class CrowdRow:
    """Manifests and a push: alone, then beside a crowd. Estiva is compared with itself."""

    stage: Stage
    name: str
    title: str
    largest: int
    work: Work = Work.BULK
    renewed: bool = True
    columns: tuple[Column, ...] = (
        Column(key="times", title="p99 of a manifest, times that of the quiet server", shown=True),
        Column(key="slower", title="a push takes times as long", shown=True),
        Column(key="quiet", title="p99 quiet, ms"),
        Column(key="crowded", title="p99 crowded, ms"),
        Column(key="quiet-push", title="push quiet, MB/s", better=Better.HIGHER),
        Column(key="crowded-push", title="push crowded, MB/s", better=Better.HIGHER),
    )
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store an image, and warm up."""
        one_manifest(Store(shelf=shelf, payload=self.stage.payload, expected={}))
        wrk.ask(server.port, [_MANIFEST], 1)

    def measure(self, server: Server) -> Sample:
        """Measure twice."""
        quiet, quiet_push = self._load(server)
        with Crowd(server.port, idle=self.stage.plan.count(IDLE), slow=self.stage.plan.count(SLOW)):
            time.sleep(_SETTLE_S)
            crowded, crowded_push = self._load(server)
        figures = {
            "times": crowded / quiet,
            "slower": quiet_push / crowded_push,
            "quiet": quiet,
            "crowded": crowded,
            "quiet-push": quiet_push,
            "crowded-push": crowded_push,
        }
        return Sample(figures=figures, foreign=None)

    def _load(self, server: Server) -> tuple[float, float]:
        """Return the milliseconds of the p99 of a manifest, and MB/s of a push."""
        rate = wrk.ask(server.port, [_MANIFEST], self.stage.plan.seconds(2))
        body = self.stage.payload.body(self.largest, f"{self.name}-{next(self._numbers)}")
        os.sync()
        pushed = run_together([pushing(server.port, "bench/push", body)])
        return rate.p99_ms, body.size / 1e6 / pushed.seconds


@dataclass(frozen=True, kw_only=True)
class MemoryRow:
    """What a server holds at rest, for each of a thousand slow clients, and at most during a large push."""

    stage: Stage
    name: str
    title: str
    largest: int
    work: Work = Work.KEEP
    renewed: bool = True
    columns: tuple[Column, ...] = (
        Column(key="rest", title="largest process at rest, MiB", shown=True),
        Column(key="all", title="all processes at rest, MiB", shown=True),
        Column(key="idle", title=f"KiB per idle connection, of {HELD:,}"),
        Column(key="upload", title=f"KiB per slow upload, of {HELD:,}"),
        Column(key="download", title=f"KiB per download that nobody reads, of {HELD:,}"),
        Column(key="small", title="peak growth in a push of an eighth, MiB"),
        Column(key="large", title="peak growth in the large push, MiB"),
    )

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store an image and a blob of some MiB, and ask for them."""
        store = Store(shelf=shelf, payload=self.stage.payload, expected={})
        one_manifest(store)
        shelf.put_blob("bench/pull", self._held, self.stage.payload)
        wrk.ask(server.port, [_MANIFEST], 1)

    @property
    def _held(self) -> Body:
        return self.stage.payload.body(min(4 * MIB, self.largest), "held")

    def measure(self, server: Server) -> Sample:
        """Measure what is held, and then peaks."""
        time.sleep(_SETTLE_S)
        figures = {"rest": max(server.resident_each()) / MIB, "all": server.resident_bytes() / MIB}
        held = self.stage.plan.count(HELD)
        rest = server.resident_bytes()
        with Crowd(server.port, idle=held, slow=0):
            figures["idle"] = _growth(server, rest, held)
        with Crowd(server.port, idle=0, slow=held):
            figures["upload"] = _growth(server, rest, held)
        figures["download"] = self._downloads(server, rest, held)
        # An eighth first: what it grows, the large one need not grow again.
        figures["small"] = self._peak(server, max(2 * CHUNK, self.largest // 8))
        figures["large"] = self._peak(server, self.largest)
        return Sample(figures=figures, foreign=None)

    def _downloads(self, server: Server, rest: int, count: int) -> float:
        request = f"GET /v2/bench/pull/blobs/{self._held.digest} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        allow_files()
        opened = [socket.create_connection((HOST, server.port)) for _ in range(count)]
        for each in opened:
            each.sendall(request)
        grown = _growth(server, rest, count)
        for each in opened:
            each.close()
        return grown

    def _peak(self, server: Server, size: int) -> float:
        before = server.resident_bytes()
        server.forget_peak()
        run_together([pushing(server.port, "bench/push", self.stage.payload.body(size, f"peak-{size}"))])
        return max(0, server.peak_bytes() - before) / MIB


def _growth(server: Server, rest: int, clients: int) -> float:
    """Return the KiB that a server holds more than at rest, for each client."""
    time.sleep(_SETTLE_S)
    return max(0, server.resident_bytes() - rest) / KIB / clients


def allow_files() -> None:
    """Allow this process as many files as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
