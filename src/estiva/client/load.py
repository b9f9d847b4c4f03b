# SPDX-License-Identifier: Apache-2.0
"""One process that loads a registry over several connections, until its time is over or it is told to stop."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from multiprocessing.connection import Connection as Pipe

import uvloop

from estiva.client.access import Credentials
from estiva.client.address import Address
from estiva.client.content import Blobs, config_blob, digest_of, manifest
from estiva.client.registry import UNAUTHORIZED, Refused, Registry, expect
from estiva.client.tally import Tally
from estiva.client.wire import PATIENCE_S, Answer, Wire, WireError, heard, silence
from estiva.errors import RegistryUnusable

TICK_S = 0.2
GO = "go"
"""What a process waits for once it is ready; anything that it hears later, or the pipe's end, means stop."""

_GRACE_S = 2.0
_PAUSE_S = 0.05
_HOPELESS = 20
"""Failures in a row after which a connection gives up."""

FAULTS = (Refused, RegistryUnusable, WireError)
"""What a request may end with."""

_OK = HTTPStatus.OK


class Phase(StrEnum):
    """What is measured: blobs pushed, small images pushed, a manifest read, a blob read."""

    PUSH = "push"
    IMAGES = "images"
    MANIFESTS = "manifests"
    PULL = "pull"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one process is to do.

    `size` is that of a pushed blob or layer, or of the body that a read must answer; `path` is what is read; `limit`
    how many may be pushed; `mark` makes what this process pushes unlike anything else; `patience`, in seconds, is how
    long nothing may come.
    """

    phase: Phase
    address: Address
    repository: str
    credentials: Credentials | None
    connections: int
    seconds: float
    size: int
    path: str = ""
    limit: int = 0
    mark: str = ""
    patience: float = PATIENCE_S

    def client(self) -> Registry:
        """Return a client of the repository."""
        return Registry(self.address, self.repository, self.credentials, patience=self.patience)


def obey(order: Order, pipe: Pipe) -> None:
    """Run an order in this process: tell when it is ready, wait for the word, report now and then, and at the end."""
    gone = contextlib.suppress(EOFError, ConnectionResetError)
    with gone, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Load(order, pipe).run())


class _Load:
    def __init__(self, order: Order, pipe: Pipe) -> None:
        self._order = order
        self._pipe = pipe
        self._tally = Tally()
        self._clients = [order.client() for _ in range(order.connections)]
        self._tasks: list[asyncio.Task[None]] = []
        self._begun = 0
        self._end = 0.0
        self._blobs = Blobs(order.size if order.phase in (Phase.PUSH, Phase.IMAGES) else 0)

    async def run(self) -> None:
        """Do all of it."""
        try:
            await self._follow()
        finally:
            for client in self._clients:
                client.close()
            await asyncio.sleep(0)  # in which connections close

    async def _follow(self) -> None:
        try:
            # Each connection is open, and has its token, before anything is measured.
            await asyncio.gather(*(client.request("GET", "/v2/") for client in self._clients))
        except FAULTS as error:
            self._tell(str(error))
            return
        self._tell(None)
        if self._pipe.recv() != GO:
            return
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._stop)
        cpu, tally = time.process_time(), self._tally
        tally.started = time.monotonic()
        self._end = tally.started + self._order.seconds
        await self._drive()
        tally.finished = time.monotonic()
        tally.busy = (time.process_time() - cpu) / (tally.finished - tally.started)
        tally.created += [path for client in self._clients for path in client.created]
        self._tell(tally)

    def _tell(self, what: object) -> None:
        with contextlib.suppress(OSError):  # nobody leads any more: that ends this process elsewhere
            self._pipe.send(what)

    async def _drive(self) -> None:
        work = self._read_manifests if self._order.phase is Phase.MANIFESTS else self._repeat
        self._tasks = [asyncio.ensure_future(work(client)) for client in self._clients]
        waiting = set(self._tasks)
        while waiting:
            _, waiting = await asyncio.wait(self._tasks, timeout=TICK_S)
            self._tell((self._tally.done, self._tally.bytes, self._tally.failed))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stop(self) -> None:
        """Begin nothing more, and cut off what is not done soon."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pipe.fileno())
        self._end = 0.0
        for task in self._tasks:
            loop.call_later(_GRACE_S, task.cancel)

    async def _repeat(self, client: Registry) -> None:
        unit = {Phase.PUSH: self._push_blob, Phase.IMAGES: self._push_image, Phase.PULL: self._pull}[self._order.phase]
        losses = 0
        while losses < _HOPELESS and (begin := time.monotonic()) < self._end and self._may_push():
            self._begun += 1
            try:
                size = await unit(client, f"{self._order.mark}-{self._begun}")
            except FAULTS as error:
                losses += 1
                await self._lost(client, error)
            else:
                losses = 0
                self._tally.count(size, time.monotonic() - begin)

    def _may_push(self) -> bool:
        return not self._order.limit or self._begun < self._order.limit

    async def _lost(self, client: Registry, error: Exception) -> None:
        self._tally.fail(str(error))
        client.close()
        await asyncio.sleep(_PAUSE_S)

    async def _push_blob(self, client: Registry, mark: str) -> int:
        blob = self._blobs.blob(mark)
        await client.push_blob(blob)
        return blob.size

    async def _push_image(self, client: Registry, mark: str) -> int:
        layer, config = self._blobs.blob(mark), config_blob(mark)
        for blob in (layer, config):
            asked = await client.request("HEAD", f"/v2/{client.repository}/blobs/{blob.digest}")
            expect(asked, "the question for a new blob", 404)
            await client.push_blob(blob)
        document = manifest(config, [layer], mark)
        await client.put_manifest(mark, document, digest_of(document))
        return layer.size + config.size + len(document)

    async def _pull(self, client: Registry, mark: str) -> int:
        size = await client.download(self._order.path)
        if size != self._order.size:
            raise Refused(f"a download had {size} bytes instead of {self._order.size}")
        return size

    async def _read_manifests(self, client: Registry) -> None:
        losses = 0
        while losses < _HOPELESS and time.monotonic() < self._end:
            before = self._tally.done
            try:
                await self._read_until_refused(client)
            except FAULTS as error:
                losses = losses + 1 if self._tally.done == before else 1
                await self._lost(client, error)

    async def _read_until_refused(self, client: Registry) -> None:
        """Read until the time is over; once, when a token is refused, get another."""
        answer = await self._stream(await client.wire(), client.render("GET", self._order.path))
        if answer is not None and answer.status == UNAUTHORIZED:
            await client.access.meet(answer.headers("WWW-Authenticate"))
            answer = await self._stream(await client.wire(), client.render("GET", self._order.path))
        if answer is not None:
            expect(answer, "a manifest", _OK)
            raise Refused(f"a manifest had {answer.length} bytes instead of {self._order.size}")

    async def _stream(self, wire: Wire, request: bytes) -> Answer | None:
        """Send one request over and over; return the first answer that is not as it should be, None in the end.

        The next request leaves in the call that reads the answer to the one before: no task is woken for it.
        """
        over: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        over.add_done_callback(heard)
        tally, size, now = self._tally, self._order.size, time.monotonic
        begin = now()

        def receive(answer: Answer | WireError) -> None:
            nonlocal begin
            if over.done():
                return
            if isinstance(answer, WireError):
                over.set_exception(answer)
            elif answer.status != _OK or answer.length != size:
                over.set_result(answer)
            else:
                end = now()
                tally.count(size, end - begin)
                begin = end
                if end < self._end and not wire.closed:
                    wire.send(request, receive)
                else:
                    over.set_result(None)

        wire.send(request, receive)
        while not over.done():
            await asyncio.wait({over}, timeout=self._order.patience)
            if not over.done() and now() - begin > self._order.patience:
                raise WireError(silence(self._order.patience), begun=True)
        return over.result()
