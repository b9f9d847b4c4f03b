# SPDX-License-Identifier: Apache-2.0
"""The row of servers that are a millisecond away."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import wrk
from bench.clients import Puller, pushing, run_together
from bench.contenders import Work
from bench.measuring import Stage
from bench.plan import BenchError
from bench.reading import Store, one_manifest
from bench.results import Better, Column, Sample
from bench.servers import Server, free_port
from bench.shelves import Shelf
from bench.wire import Connection

DELAY_MS = 1.0

_READY_S = 10


@dataclass(frozen=True, kw_only=True)
class DistantRow:
    """Manifests, a push and a download through a relay that delays each direction by a millisecond."""

    stage: Stage
    name: str
    title: str
    largest: int
    work: Work = Work.KEEP
    renewed: bool = False
    columns: tuple[Column, ...] = (
        Column(key="rate", title="manifests/s, 32 connections", better=Better.HIGHER, shown=True),
        Column(key="push", title="push, MB/s", better=Better.HIGHER, shown=True),
        Column(key="pull", title="download, MB/s", better=Better.HIGHER, shown=True),
        Column(key="p99", title="p99 of a manifest, ms"),
    )
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store an image."""
        one_manifest(Store(shelf=shelf, payload=self.stage.payload, expected={}))

    def measure(self, server: Server) -> Sample:
        """Read, push, and pull what was pushed."""
        body = self.stage.payload.body(self.largest, f"{self.name}-{next(self._numbers)}")
        os.sync()
        with relayed(server.port) as port:
            rate = wrk.ask(port, ["/v2/bench/one/manifests/latest"], self.stage.plan.seconds(2))
            pushed = run_together([pushing(port, "bench/far", body)])
            puller = Puller(port=port, target=f"/v2/bench/far/blobs/{body.digest}", size=body.size)
            pulled = run_together([puller])
        megabytes = body.size / 1e6
        figures = {
            "rate": rate.requests / rate.seconds,
            "push": megabytes / pushed.seconds,
            "pull": megabytes / pulled.seconds,
            "p99": rate.p99_ms,
        }
        return Sample(figures=figures, foreign=None)


@contextmanager
def relayed(target: int) -> Iterator[int]:
    """Yield a port whose connections reach `target` later."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.relay", str(port), str(target), str(DELAY_MS)])
    try:
        deadline = time.monotonic() + _READY_S
        while not _listens(port):
            if time.monotonic() > deadline:
                raise BenchError("the relay did not come up")
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        with Connection(port) as connection:
            connection.connect()
    except OSError:
        return False
    return True
