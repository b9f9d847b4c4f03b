# SPDX-License-Identifier: Apache-2.0
"""The ways in which clients push a blob, each as the client named does it on the wire."""

import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

from harness.client import Answer, Client
from harness.content import digest


@dataclass(frozen=True, slots=True)
class Piece:
    """A blob to push."""

    content: bytes
    digest: str

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> "Piece":
        """Return the blob with these bytes."""
        return cls(content, digest(content, algorithm))


@dataclass(eq=False, slots=True)
class Session:
    """An upload as its client knows it: bytes that the server has acknowledged, and bytes that were sent."""

    repository: str
    location: str
    piece: Piece
    acknowledged: int = 0
    sent: int = 0
    finishing: bool = False

    @property
    def closing(self) -> str:
        """The address that turns the upload into a blob."""
        return f"{self.location}?digest={self.piece.digest}"


Push = Callable[[Client, Session, random.Random], Awaitable[Answer]]


async def open_session(client: Client, repository: str, piece: Piece) -> Session:
    """Begin an upload."""
    answer = await client.post(f"/v2/{repository}/blobs/uploads/")
    assert answer.status == 202, answer
    return Session(repository, answer.location, piece)


def body(content: bytes) -> io.BytesIO:
    """Return the bytes as aiohttp wants large ones."""
    return io.BytesIO(content)


async def _in_bits(content: bytes, size: int) -> AsyncIterator[bytes]:
    """Yield the bytes in bits, which go out with chunked transfer encoding."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def append(client: Client, session: Session, content: bytes, **options: object) -> None:
    """Send one PATCH with the next bytes, from memory unless `data` is given."""
    session.sent += len(content)
    answer = await client.patch(session.location, **{"data": body(content), **options})
    assert answer.status == 202, answer
    session.acknowledged += len(content)
    assert answer.headers["Range"] == f"0-{max(0, session.acknowledged - 1)}", answer


async def finish(client: Client, session: Session, content: bytes = b"", **options: object) -> Answer:
    """Send the PUT that ends the upload, with the last bytes."""
    session.sent += len(content)
    session.finishing = True
    return await client.put(session.closing, data=body(content), **options)


async def like_docker(client: Client, session: Session, draw: random.Random) -> Answer:
    """One PATCH without a length, then an empty PUT."""
    content = session.piece.content
    await append(client, session, content, data=_in_bits(content, draw.choice([4_000, 32_768, 100_000])))
    return await finish(client, session)


async def like_containerd(client: Client, session: Session, draw: random.Random) -> Answer:
    """One PUT with everything."""
    return await finish(client, session, session.piece.content)


async def like_crane(client: Client, session: Session, draw: random.Random) -> Answer:
    """One PATCH with a length, then an empty PUT."""
    await append(client, session, session.piece.content)
    return await finish(client, session)


async def in_chunks(client: Client, session: Session, draw: random.Random) -> Answer:
    """Several PATCHes with Content-Range; the last bytes come with the PUT."""
    content = session.piece.content
    edges = sorted({0, *(draw.randrange(len(content) + 1) for _ in range(draw.randint(1, 4)))})
    for start, stop in pairwise(edges):
        await append(client, session, content[start:stop], headers={"Content-Range": f"{start}-{stop - 1}"})
    return await finish(client, session, content[edges[-1] :])


WITH_SESSION: tuple[Push, ...] = (like_docker, like_containerd, like_crane, in_chunks)


async def in_one_request(client: Client, repository: str, piece: Piece) -> Answer:
    """Everything in one POST."""
    return await client.post(f"/v2/{repository}/blobs/uploads/?digest={piece.digest}", data=body(piece.content))


async def where(client: Client, session: Session) -> int | None:
    """Ask where an upload stands after a crash: what was acknowledged must be there. None when it is over."""
    status = await client.get(session.location)
    if status.status == 404:
        return None
    assert status.status == 204, status
    shown = int(status.headers["Range"].removeprefix("0-"))
    assert max(0, session.acknowledged - 1) <= shown <= max(0, session.sent - 1), (session, status)
    return shown + 1 if shown else await _none_or_one(client, session)


async def _none_or_one(client: Client, session: Session) -> int:
    """`0-0` is an upload without bytes, or with one; the refusal of a chunk that cannot be next tells which."""
    answer = await client.patch(session.location, data=b"x", headers={"Content-Range": "7-7"})
    assert answer.status == 416, answer
    return answer.json["errors"][0]["detail"]["offset"]


async def go_on(client: Client, session: Session, start: int) -> Answer:
    """Send what is missing, and close the upload."""
    rest = session.piece.content[start:]
    headers = {"Content-Range": f"{start}-{start + len(rest) - 1}"} if rest else {}
    return await client.put(session.closing, data=body(rest), headers=headers)
