# SPDX-License-Identifier: Apache-2.0
"""Client processes that prepare, start together, and tell when each was done.

One process per client: no client waits for another's interpreter. Each task is called twice over: the task itself
prepares (opens connections, hashes), what it returns is the measured work.
"""

import functools
import multiprocessing
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from bench.bodies import Payload, config_body
from bench.plan import BenchError
from bench.wire import Body, Connection
from estiva.client.content import MANIFEST_TYPE, manifest

Work = Callable[[], list[float]]
"""Does the work and returns the seconds that each of its units took."""

Task = Callable[[], Work]
"""Prepares the work, in the client's own process; must survive pickling."""

_READY_S = 120

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["bench.clients"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    started: float
    finished: float
    cpu: float
    units: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What all clients did: seconds from the first start to the last end, CPU seconds, seconds of every unit."""

    seconds: float
    cpu: float
    units: tuple[float, ...]


def run_together(tasks: Sequence[Task]) -> Outcome:
    """Run each task in a process of its own, all starting at once; raise `BenchError` when one fails."""
    barrier = _context.Barrier(len(tasks))
    pipes, processes = [], []
    for task in tasks:
        ours, theirs = _context.Pipe(duplex=False)
        process = _context.Process(target=_client, args=(task, barrier, theirs), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        reports = [_report(pipe) for pipe in pipes]
    finally:
        for process in processes:
            process.join(timeout=5)
            process.kill()
    return Outcome(
        seconds=max(report.finished for report in reports) - min(report.started for report in reports),
        cpu=sum(report.cpu for report in reports),
        units=tuple(unit for report in reports for unit in report.units),
    )


def push_blob(connection: Connection, repository: str, body: Body) -> None:
    """Push one blob as docker does: POST, one chunked PATCH, an empty PUT."""
    opened = connection.request("POST", f"/v2/{repository}/blobs/uploads/").expect(202)
    written = connection.upload("PATCH", opened.location, body).expect(202, 204)
    joint = "&" if "?" in written.location else "?"
    digest = body.digest.replace(":", "%3A")
    connection.request("PUT", f"{written.location}{joint}digest={digest}").expect(201)


def put_manifest(connection: Connection, repository: str, reference: str, document: bytes) -> None:
    """Push one manifest."""
    target = f"/v2/{repository}/manifests/{reference}"
    connection.request("PUT", target, headers={"Content-Type": MANIFEST_TYPE}, body=document).expect(201)


def push_image(connection: Connection, repository: str, layer: Body, tag: str) -> None:
    """Push an image of one layer as docker does, which asks for each blob first."""
    config = config_body(tag)
    for body in (layer, config):
        connection.request("HEAD", f"/v2/{repository}/blobs/{body.digest}").expect(404)
        push_blob(connection, repository, body)
    put_manifest(connection, repository, tag, manifest(config, [layer], tag))


def pushing(port: int, repository: str, body: Body) -> Task:
    """Return a client that pushes one blob."""
    return functools.partial(_prepare_push, port, repository, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Puller:
    """A client that downloads `target` once for each of `ranges`, values of a Range header; empty is all of it.

    Each answer must have `size` bytes; one of several ranges also has headers of its own, a few hundred bytes each.
    """

    port: int
    target: str
    size: int
    ranges: tuple[str, ...] = ("",)

    def __call__(self) -> Work:
        """Connect."""
        connection = Connection(self.port)
        connection.connect()
        return functools.partial(self._work, connection)

    def _work(self, connection: Connection) -> list[float]:
        units = []
        for wanted in self.ranges:
            begin = time.monotonic()
            got = connection.download(self.target, headers={"Range": wanted} if wanted else None)
            if not self.size <= got <= self.size + 512 * wanted.count(","):
                raise BenchError(f"a download had {got} bytes instead of {self.size}")
            units.append(time.monotonic() - begin)
        return units


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePusher:
    """A client that pushes small images until `seconds` have passed or `limit` are pushed; the unit is an image."""

    port: int
    repository: str
    payload: Path
    layer: int
    mark: str
    seconds: float
    limit: int = 1_000_000

    def __call__(self) -> Work:
        """Hash what all layers begin with, and connect."""
        payload = Payload(self.payload)
        payload.body(self.layer, self.mark)
        connection = Connection(self.port)
        connection.connect()
        return functools.partial(self._work, payload, connection)

    def _work(self, payload: Payload, connection: Connection) -> list[float]:
        units: list[float] = []
        end = time.monotonic() + self.seconds
        while len(units) < self.limit and (begin := time.monotonic()) < end:
            tag = f"{self.mark}-{len(units)}"
            push_image(connection, self.repository, payload.body(self.layer, tag), tag)
            units.append(time.monotonic() - begin)
        return units


def _prepare_push(port: int, repository: str, body: Body) -> Work:
    connection = Connection(port)
    connection.connect()

    def work() -> list[float]:
        begin = time.monotonic()
        push_blob(connection, repository, body)
        return [time.monotonic() - begin]

    return work


def _client(task: Task, barrier: threading.Barrier, pipe: Pipe) -> None:
    try:
        work = task()
        barrier.wait(_READY_S)
        started, cpu = time.monotonic(), time.process_time()
        units = work()
        finished = time.monotonic()
        pipe.send(_Report(started=started, finished=finished, cpu=time.process_time() - cpu, units=units))
    except Exception:  # noqa: BLE001 - whatever it was, the parent tells it
        barrier.abort()
        pipe.send(traceback.format_exc(limit=-2))


def _report(pipe: Pipe) -> _Report:
    try:
        answer = pipe.recv()
    except EOFError:
        answer = "a client process ended without a word"
    if not isinstance(answer, _Report):
        raise BenchError(f"a client failed: {answer}")
    return answer
