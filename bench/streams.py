# SPDX-License-Identifier: Apache-2.0
"""Rows that download a large blob: whole, in parts, and from the disk instead of the page cache."""

import hashlib
import os
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.clients import Outcome, Puller, run_together
from bench.contenders import Work
from bench.measuring import STREAM_COLUMNS, Meter, Stage, stream_sample
from bench.plan import GIB, MIB, BenchError
from bench.results import Better, Column, Sample
from bench.servers import Server
from bench.shelves import Shelf
from bench.wire import HOST, Body

PARTS = 16
"""Into how many parts a blob is divided where parts are asked for."""

AT_ONCE = 4
"""How many of them one request asks for in the row of several parts."""


@dataclass(frozen=True, kw_only=True)
class PullRow:
    """One large blob downloaded by several clients, from the page cache; received and discarded in the kernel."""

    stage: Stage
    name: str
    title: str
    streams: int
    repeats: int
    largest: int
    work: Work = Work.PULL
    renewed: bool = False
    columns: tuple[Column, ...] = STREAM_COLUMNS

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store the blob and compare a whole download with its digest."""
        shelf.put_blob("bench/pull", self._body, self.stage.payload)
        hasher = hashlib.sha256()
        with urllib.request.urlopen(f"http://{HOST}:{server.port}{self._target}") as answer:
            while data := answer.read(MIB):
                hasher.update(data)
        if f"sha256:{hasher.hexdigest()}" != self._body.digest:
            raise BenchError(f"{server.name} answered a download with other bytes than were stored")
        os.sync()

    @cached_property
    def _body(self) -> Body:
        return self.stage.payload.body(self.largest, "pull")

    @property
    def _target(self) -> str:
        return f"/v2/bench/pull/blobs/{self._body.digest}"

    def measure(self, server: Server) -> Sample:
        """Download it over and over."""
        puller = Puller(port=server.port, target=self._target, size=self.largest, ranges=("",) * self.repeats)
        with Meter(server) as meter:
            outcome = run_together([puller] * self.streams)
        return stream_sample(meter, outcome, self.largest * self.streams * self.repeats)


@dataclass(frozen=True, kw_only=True)
class ColdRow(PullRow):
    """The same, after the kernel was told to forget every file of the server."""

    def measure(self, server: Server) -> Sample:
        """Forget, then download once."""
        forget(server.directory)
        return super().measure(server)


@dataclass(frozen=True, kw_only=True)
class RangeRow(PullRow):
    """The blob in parts: one part for each request, then several parts for each request."""

    columns: tuple[Column, ...] = (
        Column(key="rate", title="MB/s, one part per request", better=Better.HIGHER, shown=True),
        Column(key="cpu", title="CPU-s per GiB", shown=True),
        Column(key="several", title=f"MB/s, {AT_ONCE} parts per request", better=Better.HIGHER, shown=True),
        Column(key="several-cpu", title=f"CPU-s per GiB, {AT_ONCE} parts"),
        Column(key="client", title="client CPU-s per GiB"),
    )

    def measure(self, server: Server) -> Sample:
        """Download all parts in both ways."""
        part = self.largest // PARTS
        parts = [f"{start}-{start + part - 1}" for start in range(0, part * PARTS, part)]
        single, one = self._pull(server, part, [f"bytes={each}" for each in parts])
        # Parts that lie apart, or a server may join them to one.
        groups = [f"bytes={','.join(parts[start::AT_ONCE])}" for start in range(AT_ONCE)]
        several, many = self._pull(server, part * PARTS // AT_ONCE, groups)
        gib, megabytes = part * PARTS / GIB, part * PARTS / 1e6
        figures = {
            "rate": megabytes / one.seconds,
            "cpu": single.server_cpu / gib,
            "several": megabytes / many.seconds,
            "several-cpu": several.server_cpu / gib,
            "client": one.cpu / gib,
        }
        return single.sample(one.cpu, figures)

    def _pull(self, server: Server, size: int, ranges: Sequence[str]) -> tuple[Meter, Outcome]:
        puller = Puller(port=server.port, target=self._target, size=size, ranges=tuple(ranges))
        with Meter(server) as meter:
            outcome = run_together([puller])
        return meter, outcome


def forget(directory: Path) -> None:
    """Have the kernel drop what it holds in memory of every file below a directory."""
    os.sync()
    for path in directory.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
