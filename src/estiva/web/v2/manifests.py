# SPDX-License-Identifier: Apache-2.0
"""`/v2/<name>/manifests/<reference>`: end-3, 7 and 9."""

import asyncio

from estiva.content.manifests import ManifestFound
from estiva.content.push import Push
from estiva.errors import DeletionDisabled, DigestInvalid, TooManyTags
from estiva.oci.conditions import etag, none_match
from estiva.oci.digests import Algorithm, Digest
from estiva.oci.manifests import Manifest, parse_manifest
from estiva.oci.negotiation import default_image, knows_no_lists
from estiva.oci.paths import ManifestPath, manifest_path
from estiva.oci.tags import Tag
from estiva.web import responses
from estiva.web.bodies import read_manifest
from estiva.web.call import Call
from estiva.web.responses import Answer
from estiva.web.services import Services

PARSED_AT_ONCE = 64 * 1024  # bytes; a manifest of 4 MiB can take a second, in which the event loop must go on


class ManifestEndpoint:
    """Pulls, pushes and deletes manifests and tags."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, call: Call, route: ManifestPath) -> Answer:
        """Send the manifest as it was pushed, whatever Accept says."""
        call.repository_id = repository_id = await self._services.guard.pull(route.name)
        found = await self._find(call, repository_id, route)
        call.pulled = (found.digest, str(route.reference) if isinstance(route.reference, Tag) else None)
        return self._services.documents.send(call, _render(call, route, found))

    async def head(self, call: Call, route: ManifestPath) -> Answer:
        """Tell whether the manifest is there; a pusher who hears so of a digest counts on it."""
        repository_id = await self._services.guard.pull(route.name)
        found = await self._find(call, repository_id, route)
        if isinstance(route.reference, Digest) and self._services.manifests.must_announce(found):
            call.takes_time()
            await self._services.manifests.announce(repository_id, found)
        return _render(call, route, found)

    async def put(self, call: Call, route: ManifestPath) -> Answer:
        """Store the manifest, and set its tags."""
        tags = self._tags(call, route)
        content = await read_manifest(call, self._services.limits, self._services.documents)
        digest = _digest(route, content)
        push = Push(
            digest=str(digest),
            manifest=await _parse(content, call.header("Content-Type")),
            content=content,
            tags=tags,
            if_match=call.header("If-Match"),
            if_none_match=call.header("If-None-Match"),
        )
        repository_id = await self._services.guard.push(route.name)
        await self._services.manifests.push(repository_id, push)
        return _created(route, digest, push)

    async def delete(self, call: Call, route: ManifestPath) -> Answer:
        """Delete a tag, or a manifest with all its tags."""
        if not self._services.policy.delete:
            raise DeletionDisabled("deleting is switched off on this registry (content.delete)")
        repository_id = await self._services.guard.delete(route.name)
        if isinstance(route.reference, Tag):
            await self._services.tags.delete(repository_id, route.reference)
        else:
            await self._services.manifests.delete(repository_id, route.reference)
        return responses.empty(202, {"Content-Length": "0"})

    async def _find(self, call: Call, repository_id: int, route: ManifestPath) -> ManifestFound:
        found = await self._services.manifests.find(repository_id, route.reference)
        if isinstance(route.reference, Tag) and knows_no_lists(call.header("Accept"), found.media_type):
            image = default_image(found.content)
            return found if image is None else await self._services.manifests.find(repository_id, image)
        return found

    def _tags(self, call: Call, route: ManifestPath) -> tuple[str, ...]:
        if isinstance(route.reference, Tag):
            return (str(route.reference),)
        wanted = call.query.get("tag", [])
        if len(wanted) > self._services.limits.tags_per_push:
            raise TooManyTags(f"a push may set at most {self._services.limits.tags_per_push} tags")
        return tuple(dict.fromkeys(str(Tag.parse(tag)) for tag in wanted))


async def _parse(content: bytes, content_type: str | None) -> Manifest:
    if len(content) <= PARSED_AT_ONCE:
        return parse_manifest(content, content_type)
    return await asyncio.to_thread(parse_manifest, content, content_type)


def _digest(route: ManifestPath, content: bytes) -> Digest:
    if isinstance(route.reference, Tag):
        return Digest.of(content)
    asked = Digest.parse_supported(str(route.reference))
    digest = Digest.of(content, Algorithm(asked.algorithm))
    if digest != asked:
        raise DigestInvalid(f"the manifest has the digest {digest}, not {asked}", detail={"digest": str(digest)})
    return digest


def _render(call: Call, route: ManifestPath, found: ManifestFound) -> Answer:
    cache = responses.IMMUTABLE if isinstance(route.reference, Digest) else responses.NO_CACHE
    headers = {"Docker-Content-Digest": found.digest, "ETag": etag(found.digest), **cache}
    if none_match(call.header("If-None-Match"), headers["ETag"]):
        return responses.empty(304, headers)
    return responses.body(found.content, found.media_type, headers)


def _created(route: ManifestPath, digest: Digest, push: Push) -> Answer:
    headers = {"Location": manifest_path(route.name, route.reference), "Docker-Content-Digest": str(digest)}
    if push.manifest.subject is not None:
        headers["OCI-Subject"] = str(push.manifest.subject.digest)
    if push.tags and isinstance(route.reference, Digest):
        headers["OCI-Tag"] = ", ".join(push.tags)
    return responses.empty(201, headers)
