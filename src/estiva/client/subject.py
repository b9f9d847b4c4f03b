# SPDX-License-Identifier: Apache-2.0
"""What is read in a run: an image that is there already, or one that is pushed for it."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

import msgspec

from estiva.client.content import Blobs, config_blob, digest_of, manifest
from estiva.client.registry import Registry, expect, location
from estiva.client.wire import Answer
from estiva.errors import RegistryUnusable

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True, kw_only=True)
class Subject:
    """A manifest and a blob to read, by path; `blob` is empty when it cannot be measured, and `notes` say why."""

    server: str = ""
    manifest: str = ""
    manifest_size: int = 0
    blob: str = ""
    blob_size: int = 0
    notes: list[str] = field(default_factory=list)


class _Part(msgspec.Struct):
    digest: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9+._-]+:[a-zA-Z0-9=_-]+\Z")]
    size: int


class _Document(msgspec.Struct):
    layers: list[_Part] = []
    manifests: list[_Part] = []


async def look_at(client: Registry, reference: str) -> Subject:
    """Find what to read in an image that is there. Raises RegistryUnusable, Refused, and what requests raise."""
    subject = Subject(server=await _greet(client))
    await _find(client, subject, reference)
    return subject


async def provide(client: Registry, size: int, mark: str) -> Subject:
    """Push an image with a layer of `size` bytes to read. Raises what `look_at` does."""
    subject = Subject(server=await _greet(client))
    layer, config = Blobs(size).blob(mark), config_blob(mark)
    document = manifest(config, [layer], mark)
    for blob in (config, layer):
        await client.push_blob(blob)
    await client.put_manifest(mark, document, digest_of(document))
    await _find(client, subject, mark)
    return subject


async def _greet(client: Registry) -> str:
    """Return what the server calls itself. Raises RegistryUnusable when it is no registry."""
    answer = await client.request("GET", "/v2/")
    if answer.status in (401, 403):
        raise RegistryUnusable(f"{client.address} refuses the user or the password")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RegistryUnusable(f"{client.address} answers with {answer.status}", hint="look into its log")
    if answer.status != HTTPStatus.OK or answer.header("Content-Type").startswith("text/html"):
        raise RegistryUnusable(
            f"{client.address} is not a registry: it answers {answer.status} {answer.header('Content-Type')} to /v2/",
            hint="is the port right, and is it http or https?",
        )
    return answer.header("Server")


async def _find(client: Registry, subject: Subject, reference: str) -> None:
    subject.manifest = f"/v2/{client.repository}/manifests/{reference}"
    answer = expect(await client.request("GET", subject.manifest), "the manifest", 200)
    subject.manifest_size = answer.length
    document = _read(answer)
    if document.manifests:
        child = f"/v2/{client.repository}/manifests/{document.manifests[0].digest}"
        document = _read(expect(await client.request("GET", child), "a manifest of the index", 200))
    if not document.layers:
        subject.notes.append("pull: the image has no layers")
        return
    layer = max(document.layers, key=lambda part: part.size)
    path = f"/v2/{client.repository}/blobs/{layer.digest}"
    # Whoever ignores ranges sends all of it, of which no more is read than is kept of any answer.
    asked = await client.request("GET", path, "Range: bytes=0-0\r\n")
    if asked.status in _REDIRECTS:
        subject.notes.append(f"pull: downloads are sent on to {location(asked).netloc}, which is not measured")
        client.close()
        return
    expect(asked, "a download", 200, 206)
    subject.blob, subject.blob_size = path, layer.size


def _read(answer: Answer) -> _Document:
    try:
        return answer.document(_Document)
    except ValueError as error:
        raise RegistryUnusable(f"the manifest cannot be read: {error}") from error
