# SPDX-License-Identifier: Apache-2.0
"""A client that shows every answer as it came: status, headers, body."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from harness.content import OCI_MANIFEST, Image, digest

LARGE = 1_000_000  # bytes; aiohttp warns of larger bodies given as bytes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["errors"][0]["code"]

    @property
    def message(self) -> str:
        return self.json["errors"][0]["message"]

    @property
    def location(self) -> str:
        return self.headers["Location"]


class Client:
    """Speaks to the registry at `base`, paths as given, unescaped and unnormalised."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self._session = session

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        url = URL(self.base + path, encoded=True)
        if isinstance(options.get("data"), bytes) and len(options["data"]) > LARGE:
            options["data"] = io.BytesIO(options["data"])
        async with self._session.request(method, url, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def head(self, path: str, **options: Any) -> Answer:
        return await self.request("HEAD", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Answer:
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Answer:
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.request("DELETE", path, **options)

    async def begin(self, name: str) -> str:
        """Open an upload and return its location."""
        answer = await self.post(f"/v2/{name}/blobs/uploads/")
        assert answer.status == 202, answer
        return answer.location

    async def push_blob(self, name: str, content: bytes, algorithm: str = "sha256") -> str:
        """Push in one request and return the digest."""
        pushed = digest(content, algorithm)
        answer = await self.post(f"/v2/{name}/blobs/uploads/?digest={pushed}", data=content)
        assert answer.status == 201, answer
        return pushed

    async def put_manifest(self, name: str, reference: str, manifest: bytes, media_type: str = OCI_MANIFEST) -> Answer:
        return await self.put(f"/v2/{name}/manifests/{reference}", data=manifest, headers={"Content-Type": media_type})

    async def push_image(self, name: str, image: Image, reference: str | None = None) -> str:
        """Push blobs and manifest, by digest unless a tag is given, and return the manifest's digest."""
        for content in image.blobs:
            await self.push_blob(name, content)
        answer = await self.put_manifest(name, reference or image.digest, image.manifest)
        assert answer.status == 201, answer
        return image.digest


class _Connector(aiohttp.TCPConnector):
    """Leaves no connection behind: one that closes waits to send what it has, which may outlast the test."""

    def __init__(self) -> None:
        super().__init__(limit=0)
        self._made: list[asyncio.Transport] = []

    async def _create_connection(self, *args: Any) -> Any:
        protocol = await super()._create_connection(*args)
        self._made.append(protocol.transport)
        return protocol

    async def abort(self) -> None:
        for transport in self._made:
            if transport.get_write_buffer_size():
                transport.abort()
        await asyncio.sleep(0)  # in which they hear of it


@asynccontextmanager
async def client_session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = _Connector()
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session
    finally:
        await connector.abort()


async def connect(base: str) -> AsyncIterator[Client]:
    async with client_session() as session:
        yield Client(base, session)


def tells_of_failure(answer: Answer) -> bool:
    """Whether the answer is 503 in the spec's form, names its entry in the log, and says when to try again."""
    (error,) = answer.json["errors"]
    return (
        answer.status == 503
        and error["code"] == "UNKNOWN"
        and answer.headers["X-Request-Id"] in error["message"]
        and int(answer.headers["Retry-After"]) > 0
    )
