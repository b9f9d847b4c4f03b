# SPDX-License-Identifier: Apache-2.0
"""Rows measured by `estiva bench`, the load generator that users have; the ceilings show what its own limit is."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.contenders import Work
from bench.measuring import Meter, Stage
from bench.plan import GIB, MIB, BenchError
from bench.reading import Store, one_manifest
from bench.results import Better, Column, Sample
from bench.servers import Server
from bench.shelves import Shelf
from bench.wire import HOST

_PUSHED = 16 * MIB


@dataclass(frozen=True, kw_only=True)
class OwnReadRow:
    """GETs of a manifest, as `estiva bench` sends them."""

    stage: Stage
    name: str
    title: str
    largest: int = MIB
    work: Work = Work.PULL
    renewed: bool = False
    columns: tuple[Column, ...] = (
        Column(key="rate", title="requests/s", better=Better.HIGHER, shown=True),
        Column(key="cpu", title="CPU-ms per 1,000", shown=True),
        Column(key="p99", title="p99, ms"),
        Column(key="busy", title="busiest client process, share of a core"),
    )

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store an image."""
        one_manifest(Store(shelf=shelf, payload=self.stage.payload, expected={}))

    def measure(self, server: Server) -> Sample:
        """Ask for two seconds."""
        seconds = self.stage.plan.seconds(2)
        with Meter(server) as meter:
            told = _run(server, seconds, "manifests", "--image", "bench/one:latest")
        phase = told["manifests"]
        figures = {
            "rate": phase["per_second"],
            "cpu": meter.server_cpu * 1e6 / phase["done"],
            "p99": phase["p99_ms"],
            "busy": phase["client_busy"],
        }
        return Sample(figures=figures, foreign=None)


@dataclass(frozen=True, kw_only=True)
class OwnPushRow:
    """Pushes of blobs of 16 MiB, as `estiva bench` sends them."""

    stage: Stage
    name: str
    title: str
    largest: int = MIB
    work: Work = Work.PUSH
    renewed: bool = True
    columns: tuple[Column, ...] = (
        Column(key="rate", title="MB/s in all", better=Better.HIGHER, shown=True),
        Column(key="cpu", title="CPU-s per GiB", shown=True),
        Column(key="p99", title="p99 of a blob, ms"),
        Column(key="busy", title="busiest client process, share of a core"),
    )

    def seed(self, server: Server, shelf: Shelf) -> None:
        """Store nothing."""

    def measure(self, server: Server) -> Sample:
        """Push for two seconds; the CPU time holds that of the deletions."""
        with Meter(server) as meter:
            told = _run(server, self.stage.plan.seconds(2), "push", "--connections", "8")
        phase = told["push"]
        figures = {
            "rate": phase["mb_per_second"],
            "cpu": meter.server_cpu / (phase["done"] * _PUSHED / GIB),
            "p99": phase["p99_ms"],
            "busy": phase["client_busy"],
        }
        return Sample(figures=figures, foreign=None)


def _run(server: Server, seconds: float, phase: str, *arguments: str) -> Mapping[str, Any]:
    """Return the figures of each phase. Raises `BenchError` when any request failed."""
    command = [sys.executable, "-m", "estiva", "bench", f"http://{HOST}:{server.port}", "--json", "--only", phase]
    told = subprocess.run(
        [*command, "--duration", f"{seconds:.0f}s", *arguments], capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise BenchError(f"estiva bench failed: {(told.stderr or told.stdout).strip()[:300]}")
    return {each["phase"]: each for each in json.loads(told.stdout)["phases"]}
