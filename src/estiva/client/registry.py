# SPDX-License-Identifier: Apache-2.0
"""One client of a registry: a connection that is opened again, and access that is renewed, when that is needed."""

import asyncio
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from typing import Self
from urllib.parse import SplitResult, urlsplit

import msgspec

from estiva.client.access import Access, Credentials
from estiva.client.address import Address
from estiva.client.content import MANIFEST_TYPE, Blob
from estiva.client.wire import PATIENCE_S, Answer, Buffer, Wire, WireError
from estiva.errors import EstivaError, RegistryUnusable

CONNECT_S = 10.0

UNAUTHORIZED = HTTPStatus.UNAUTHORIZED

_REPEATABLE = frozenset({"GET", "HEAD", "DELETE"})
_UPLOAD = "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n"
_ACCEPT = (
    f"Accept: {MANIFEST_TYPE}, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json\r\n"
)


class Refused(EstivaError):
    """A registry answered with an error; the message is short enough for a table."""


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


async def connect(address: Address, patience: float = PATIENCE_S) -> Wire:
    """Open a connection, of that patience in seconds. Raises RegistryUnusable, with what may be wrong."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(min(CONNECT_S, patience)):
            _, wire = await loop.create_connection(
                lambda: Wire(patience), address.host, address.port, ssl=address.context()
            )
    except ssl.SSLCertVerificationError as error:
        raise RegistryUnusable(
            f"the certificate of {address} is not trusted: {error.verify_message}",
            hint="--insecure does without; SSL_CERT_FILE names the certificates to trust",
        ) from error
    except ssl.SSLError as error:
        raise RegistryUnusable(
            f"{address} does not speak TLS ({error.reason})", hint=f"try http://{address.authority}"
        ) from error
    except TimeoutError as error:
        raise RegistryUnusable(f"{address} takes no connection within {min(CONNECT_S, patience):g} seconds") from error
    except OSError as error:
        raise RegistryUnusable(
            f"nothing can be reached at {address}: {error.strerror or error}", hint="is the registry running?"
        ) from error
    return wire


class Registry:
    """A client of one repository; `created` are paths that a DELETE would remove again, `patience` is in seconds."""

    def __init__(
        self,
        address: Address,
        repository: str,
        credentials: Credentials | None = None,
        *,
        patience: float = PATIENCE_S,
    ) -> None:
        self.address = address
        self.repository = repository
        self.patience = patience
        self.access = Access(address=address, repository=repository, credentials=credentials, fetch=self._fetch)
        self.created: list[str] = []
        self._wire: Wire | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def wire(self) -> Wire:
        """Return the open connection, opened anew after the server closed it. Raises RegistryUnusable."""
        if self._wire is None or self._wire.closed:
            self.close()
            self._wire = await connect(self.address, self.patience)
        return self._wire

    async def _fetch(self, address: Address, request: bytes) -> Answer:
        wire = await connect(address, self.patience)
        try:
            return await wire.ask(request)
        except WireError as error:
            raise RegistryUnusable(f"{address} gives no token: {error}") from error
        finally:
            wire.close()

    def render(self, method: str, path: str, headers: str = "") -> bytes:
        """Return a request without a body, with what access asks for; `headers` are whole lines."""
        text = f"{method} {path} HTTP/1.1\r\nHost: {self.address.authority}\r\nUser-Agent: estiva-bench\r\n"
        return f"{text}{_ACCEPT}{self.access.line}{headers}\r\n".encode("latin-1")

    async def request(self, method: str, path: str, headers: str = "", body: Sequence[Buffer] = ()) -> Answer:
        """Send one request, again after a challenge. Raises RegistryUnusable, WireError."""
        answer = await self._ask(method, path, headers, body)
        if answer.status == UNAUTHORIZED:
            await self.access.meet(answer.headers("WWW-Authenticate"))
            answer = await self._ask(method, path, headers, body)
        return answer

    async def _ask(self, method: str, path: str, headers: str, body: Sequence[Buffer]) -> Answer:
        wire = await self.wire()
        request, bodiless = self.render(method, path, headers), method == "HEAD"
        try:
            return await wire.ask(request, body, bodiless=bodiless)
        except WireError as error:
            # A server may close a connection that rested just when the next request is on its way.
            if error.begun or method not in _REPEATABLE:
                raise
        return await (await self.wire()).ask(request, body, bodiless=bodiless)

    async def download(self, path: str) -> int:
        """Fetch a blob, drop its bytes, and return how many they were. Raises Refused, and what `request` does."""
        answer = await self._count(path)
        if answer.status == UNAUTHORIZED:
            await self.access.meet(answer.headers("WWW-Authenticate"))
            answer = await self._count(path)
        return expect(answer, "a download", 200).length

    async def _count(self, path: str) -> Answer:
        return await (await self.wire()).count(self.render("GET", path))

    async def push_blob(self, blob: Blob) -> None:
        """Push as docker does: POST, one chunked PATCH, an empty PUT. Raises Refused, and what `request` does."""
        opened = await self.request("POST", f"/v2/{self.repository}/blobs/uploads/", "Content-Length: 0\r\n")
        upload = self._location(expect(opened, "an upload", 202))
        self.created.append(upload)
        written = expect(await self.request("PATCH", upload, _UPLOAD, blob.parts), "a PATCH", 202, 204)
        target = self._location(written)
        joint = "&" if "?" in target else "?"
        finished = await self.request("PUT", f"{target}{joint}digest={blob.digest}", "Content-Length: 0\r\n")
        expect(finished, "the end of an upload", 201)
        self.created.pop()
        self.created.append(f"/v2/{self.repository}/blobs/{blob.digest}")

    async def put_manifest(self, tag: str, document: bytes, digest: str) -> None:
        """Push one manifest. Raises Refused, and what `request` does."""
        headers = f"Content-Type: {MANIFEST_TYPE}\r\nContent-Length: {len(document)}\r\n"
        answer = await self.request("PUT", f"/v2/{self.repository}/manifests/{tag}", headers, [document])
        expect(answer, "a manifest", 201)
        self.created.append(f"/v2/{self.repository}/manifests/{digest}")

    def _location(self, answer: Answer) -> str:
        """Return path and query of a Location that must be this server."""
        parts = location(answer)
        if parts.netloc and Address.parse(f"{self.address.scheme}://{parts.netloc}") != self._plain:
            raise Refused(f"uploads are sent on to {parts.netloc}: a proxy that does not pass on the Host header?")
        if not parts.path:
            raise Refused("an upload was accepted without a Location")
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    @property
    def _plain(self) -> Address:
        return Address(scheme=self.address.scheme, host=self.address.host.lower(), port=self.address.port)


def location(answer: Answer) -> SplitResult:
    """Return the parts of a Location, which are empty without one. Raises Refused when it is none."""
    try:
        return urlsplit(answer.header("Location"))
    except ValueError as error:
        raise Refused(f"a Location cannot be read: {error}") from error


def expect(answer: Answer, what: str, *statuses: int) -> Answer:
    """Return the answer. Raises Refused when its status is none of `statuses`."""
    if answer.status in statuses:
        return answer
    try:
        told = next(iter(answer.document(_Errors).errors), _Error())
    except ValueError:
        told = _Error()
    text = f"{what} was answered with {answer.status} {told.code} {told.message[:200]}"
    raise Refused(" ".join("".join(letter if letter.isprintable() else " " for letter in text).split()))
