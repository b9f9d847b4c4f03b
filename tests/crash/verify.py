# SPDX-License-Identifier: Apache-2.0
"""What a restarted server shows, compared with what clients were told."""

import asyncio
import hashlib
import random
from collections.abc import Iterable

from harness.audit import wanted
from harness.client import Client

from .ledger import Kind, Ledger, Register
from .pushers import Pusher
from .uploads import Piece, Session, go_on, where

AT_ONCE = 8
SAMPLE = 25  # registers looked at after a crash beyond those that were in motion
CONTENT_WITH_LESS = 0.3  # of the uploads that are resumed, those whose client is content with what is there


class Verifier:
    """Looks at everything over HTTP while nobody else does anything."""

    def __init__(self, client: Client, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger
        self._seen: set[Register] = set()
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def registers(self, registers: Iterable[Register]) -> None:
        """Check that each has a value that it may have, with all bytes that belong to it."""
        await asyncio.gather(*(self._register(register) for register in registers))

    async def _register(self, register: Register) -> None:
        found = await self._value(register)
        assert found in self._ledger.allowed(register), (register, found, self._ledger.allowed(register))
        self._ledger.observe(register, found)

    async def _value(self, register: Register) -> str | None:
        async with self._gate:
            answer = await self._client.get(register.path)
        assert answer.status in {200, 404}, (register, answer)
        if answer.status == 404:
            return None
        named = answer.headers["Docker-Content-Digest"]
        algorithm, _, encoded = named.partition(":")
        assert hashlib.new(algorithm, answer.body).hexdigest() == encoded, (register, "other bytes")
        if register.kind is not Kind.BLOB:
            await self._needs(register.repository, answer.body)
        return named

    async def _needs(self, repository: str, manifest: bytes) -> None:
        """Check that everything a manifest needs is there."""
        for name in sorted(wanted(manifest)):
            blob = Register(Kind.BLOB, repository, name)  # a child manifest is served there too
            if blob not in self._seen:
                self._seen.add(blob)
                assert await self._value(blob) == name, (repository, name, "is missing")

    async def lists(self) -> None:
        """Check that tag lists and catalog name what is there, and nothing else."""
        tags: dict[str, list[str]] = {}
        for register in self._ledger.registers(Kind.TAG):
            (value,) = self._ledger.allowed(register)
            tags.setdefault(register.repository, []).extend([register.name] if value else [])
        for repository, names in tags.items():
            answer = await self._client.get(f"/v2/{repository}/tags/list")
            found = answer.json["tags"] if answer.status == 200 else []  # 404: the crash came before the first push
            assert found == sorted(names), (repository, answer)
        manifests = self._ledger.registers(Kind.MANIFEST)
        filled = {register.repository for register in manifests if self._ledger.allowed(register) != {None}}
        assert (await self._client.get("/v2/_catalog")).json["repositories"] == sorted(filled)

    async def everything(self) -> int:
        """Check all registers and lists, and return how many registers there are."""
        await self.registers(self._ledger.all())
        await self.lists()
        return len(self._ledger.all())

    async def after_crash(self, draw: random.Random) -> None:
        """Check what was in motion when the server died, a sample of the rest, and the lists."""
        quiet = sorted(set(self._ledger.all()) - self._ledger.touched)
        sample = draw.sample(quiet, min(SAMPLE, len(quiet)))
        tags = self._ledger.registers(Kind.TAG)
        await self.registers({*self._ledger.touched, *sample, *tags})
        self._ledger.touched.clear()
        await self.lists()


async def resume_uploads(client: Client, ledger: Ledger, pusher: Pusher) -> int:
    """Finish the uploads that the crash broke off, from where the server says they stand; return how many were."""
    sessions, pusher.unfinished = pusher.unfinished, []
    for session in sessions:
        await _resume(client, ledger, session, pusher.draw)
    return len(sessions)


async def _resume(client: Client, ledger: Ledger, session: Session, draw: random.Random) -> None:
    start = await where(client, session)
    if start is None:
        # Only an upload whose end was sent may be over; then the blob is there.
        assert session.finishing, (session, "lost")
        assert ledger.is_surely(_register(session), session.piece.digest), (session, "lost")
        return
    if draw.random() < CONTENT_WITH_LESS:
        # What the crash left beyond the end of the upload must not become part of the blob.
        session.piece = Piece.of(session.piece.content[:start])
    attempt = ledger.begin({_register(session): session.piece.digest})
    answer = await go_on(client, session, start)
    assert answer.status == 201, (session, answer)
    ledger.heard(attempt)
    pulled = await client.get(_register(session).path)
    assert pulled.body == session.piece.content


def _register(session: Session) -> Register:
    return Register(Kind.BLOB, session.repository, session.piece.digest)
