# SPDX-License-Identifier: Apache-2.0
"""Clients that push, move tags, delete, mount and pull, at random, until their server dies."""

import json
import random
from dataclasses import dataclass, field

import aiohttp

from harness.client import Answer, Client
from harness.content import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, descriptor, digest, index

from .ledger import Kind, Ledger, Register
from .uploads import WITH_SESSION, Piece, Session, append, in_one_request, open_session

SHARED = "shared/app"
OWN_TAGS = ("v1", "v2", "latest", "stable")
SHARED_TAGS = ("latest", "edge")


class Unexpected(AssertionError):
    """An answer that no server should have given."""


def expect(answer: Answer, *statuses: int) -> None:
    """Raise Unexpected unless the answer has one of the statuses."""
    if answer.status not in statuses:
        raise Unexpected(f"{answer.status} instead of {statuses}: {answer.body!r}")


@dataclass
class Pusher:
    """One client with a repository of its own; the shared one, and the layers in `common`, it has with others.

    Only what is its own does it delete, so that it knows what must be there.
    """

    number: int
    draw: random.Random
    ledger: Ledger
    common: list[Piece]
    unfinished: list[Session] = field(default_factory=list)
    images: dict[str, dict[str, object]] = field(default_factory=dict)

    @property
    def own(self) -> str:
        """Its repository."""
        return f"team/client-{self.number}"

    async def work(self, client: Client) -> None:
        """Do one thing after another until the server is gone."""
        actions = {
            self.push_own: 30,
            self.push_shared: 20,
            self.push_with_many_tags: 8,
            self.push_index: 7,
            self.push_signature: 5,
            self.pull: 10,
            self.delete_tag: 6,
            self.delete_manifest: 6,
            self.delete_blob: 5,
            self.give_up_halfway: 6,
            self.cancel: 3,
        }
        choices, weights = list(actions), list(actions.values())
        try:
            while True:
                (action,) = self.draw.choices(choices, weights)
                await action(client)
        except (aiohttp.ClientError, ConnectionError):
            return

    # Images

    async def push_own(self, client: Client) -> None:
        """Push a new image to its own repository."""
        await self._push_image(client, self.own, self.draw.choice(OWN_TAGS))

    async def push_shared(self, client: Client) -> None:
        """Push a new image to the repository that all share."""
        await self._push_image(client, SHARED, self.draw.choice(SHARED_TAGS))

    async def push_signature(self, client: Client) -> None:
        """Push an image that refers to another one."""
        subject = self.images[self.draw.choice(sorted(self.images))] if self.images else None
        await self._push_image(client, self.own, None, subject)

    async def push_with_many_tags(self, client: Client) -> None:
        """Push a new image by digest, and set several tags with it."""
        manifest = await self._push_blobs_of_image(client, self.own, None)
        await self._put(client, self.own, digest(manifest), manifest, tags=self.draw.sample(OWN_TAGS, 2))

    async def push_index(self, client: Client) -> None:
        """Push an index of images that are there for certain."""
        present = [name for name in sorted(self.images) if self._has(Kind.MANIFEST, self.own, name)]
        children = [self.images[name] for name in self.draw.sample(present, min(2, len(present)))]
        await self._put(client, self.own, self.draw.choice(OWN_TAGS), index(*children), OCI_INDEX)

    async def _push_image(
        self, client: Client, repository: str, tag: str | None, subject: dict[str, object] | None = None
    ) -> None:
        manifest = await self._push_blobs_of_image(client, repository, subject)
        await self._put(client, repository, tag or digest(manifest), manifest)
        if repository == self.own and subject is None:
            self.images[digest(manifest)] = descriptor(manifest, OCI_MANIFEST)

    async def _push_blobs_of_image(self, client: Client, repository: str, subject: dict[str, object] | None) -> bytes:
        layers = [*self.draw.sample(self.common, 2), self._new_piece()]
        config = Piece.of(json.dumps({"os": "linux", "nonce": self.draw.randbytes(8).hex()}).encode())
        for piece in [config, *layers]:
            await self.push_blob(client, repository, piece)
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {**descriptor(config.content, OCI_CONFIG), "digest": config.digest},
            "layers": [{**descriptor(layer.content, OCI_LAYER), "digest": layer.digest} for layer in layers],
        }
        return json.dumps(body | ({"subject": subject} if subject else {})).encode()

    def _new_piece(self) -> Piece:
        size = self.draw.choice([1, 700, 20_000, self.draw.randrange(400_000), self.draw.randrange(2_500_000)])
        return Piece.of(self.draw.randbytes(size), self.draw.choice(["sha256", "sha256", "sha512"]))

    async def _put(
        self,
        client: Client,
        repository: str,
        reference: str,
        manifest: bytes,
        media_type: str = OCI_MANIFEST,
        *,
        tags: list[str] | None = None,
    ) -> None:
        named = tags or ([] if ":" in reference else [reference])
        values: dict[Register, str | None] = {Register(Kind.TAG, repository, tag): digest(manifest) for tag in named}
        values[Register(Kind.MANIFEST, repository, digest(manifest))] = digest(manifest)
        query = "?" + "&".join(f"tag={tag}" for tag in tags) if tags else ""
        attempt = self.ledger.begin(values)
        expect(await client.put_manifest(repository, reference + query, manifest, media_type), 201)
        self.ledger.heard(attempt)

    # Blobs

    async def push_blob(self, client: Client, repository: str, piece: Piece) -> None:
        """Push a blob unless it is there, as clients do: ask, then mount or upload."""
        register = Register(Kind.BLOB, repository, piece.digest)
        since = self.ledger.now()
        answer = await client.head(register.path)
        expect(answer, 200, 404)
        found = piece.digest if answer.status == 200 else None
        assert found in self.ledger.allowed(register, since), (register, found)
        if found is None and not await self._mounted(client, repository, piece):
            await self._upload(client, repository, piece)

    async def _mounted(self, client: Client, repository: str, piece: Piece) -> bool:
        if self.draw.random() < 0.5:
            return False
        source = self.draw.choice(["", f"&from={SHARED}", f"&from={self.own}"])
        register = Register(Kind.BLOB, repository, piece.digest)
        attempt = self.ledger.begin({register: piece.digest})
        answer = await client.post(f"/v2/{repository}/blobs/uploads/?mount={piece.digest}{source}")
        expect(answer, 201, 202)
        if answer.status == 201:
            self.ledger.heard(attempt)
            return True
        self.ledger.refused(attempt)
        expect(await client.delete(answer.location), 204)  # as podman does
        return False

    async def _upload(self, client: Client, repository: str, piece: Piece) -> None:
        register = Register(Kind.BLOB, repository, piece.digest)
        push = self.draw.choice([*WITH_SESSION, None])
        if push is None:
            attempt = self.ledger.begin({register: piece.digest})
            expect(await in_one_request(client, repository, piece), 201)
        else:
            session = await open_session(client, repository, piece)
            self.unfinished.append(session)
            attempt = self.ledger.begin({register: piece.digest})
            expect(await push(client, session, self.draw), 201)
            self.unfinished.remove(session)
        self.ledger.heard(attempt)

    async def give_up_halfway(self, client: Client) -> None:
        """Send a part of a blob, and forget about it for now."""
        piece = self._new_piece()
        session = await open_session(client, self.own, piece)
        self.unfinished.append(session)
        await append(client, session, piece.content[: self.draw.randrange(len(piece.content) + 1)])

    async def cancel(self, client: Client) -> None:
        """Send a part of a blob, and cancel the upload."""
        piece = self._new_piece()
        session = await open_session(client, self.own, piece)
        await append(client, session, piece.content[:1000])
        expect(await client.delete(session.location), 204)

    # Pulls and deletions

    async def pull(self, client: Client) -> None:
        """Pull by a tag that others move meanwhile."""
        register = Register(Kind.TAG, SHARED, self.draw.choice(SHARED_TAGS))
        since = self.ledger.now()
        answer = await client.get(register.path)
        expect(answer, 200, 404)
        found = digest(answer.body) if answer.status == 200 else None
        assert found in self.ledger.allowed(register, since), (register, found)

    async def delete_tag(self, client: Client) -> None:
        """Delete one of its tags."""
        register = Register(Kind.TAG, self.own, self.draw.choice(OWN_TAGS))
        await self._delete(client, register, {register: None})

    async def delete_manifest(self, client: Client) -> None:
        """Delete one of its images, and with it the tags on it."""
        register = self._pick(Kind.MANIFEST)
        if register is None:
            return
        tags = [tag for tag in self.ledger.registers(Kind.TAG, self.own) if self.ledger.is_surely(tag, register.name)]
        await self._delete(client, register, dict.fromkeys([register, *tags]))

    async def delete_blob(self, client: Client) -> None:
        """Delete one of its blobs, which succeeds only if no image needs it."""
        register = self._pick(Kind.BLOB)
        if register is not None:
            await self._delete(client, register, {register: None})

    async def _delete(self, client: Client, register: Register, values: dict[Register, str | None]) -> None:
        attempt = self.ledger.begin(values)
        answer = await client.delete(register.path)
        expect(answer, 202, 404, 405)
        if answer.status == 202:
            self.ledger.heard(attempt)
            return
        self.ledger.refused(attempt)
        there = None not in self.ledger.allowed(register)
        assert answer.status == (405 if there else 404), (register, answer)

    def _pick(self, kind: Kind) -> Register | None:
        mine = [register for register in self.ledger.registers(kind, self.own) if self._has(*register)]
        return self.draw.choice(mine) if mine else None

    def _has(self, kind: Kind, repository: str, name: str) -> bool:
        return self.ledger.is_surely(Register(kind, repository, name), name)
