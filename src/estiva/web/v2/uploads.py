# SPDX-License-Identifier: Apache-2.0
"""`/v2/<name>/blobs/uploads/` and the sessions below it: end-4, 5, 6, 11, 13 and 14."""

from estiva.errors import DigestInvalid, UploadInvalid
from estiva.oci.digests import Algorithm, Digest
from estiva.oci.names import RepositoryName
from estiva.oci.paths import Uploads, UploadSession, blob_path, upload_path
from estiva.oci.ranges import render_progress
from estiva.web import responses
from estiva.web.bodies import arriving
from estiva.web.call import Call
from estiva.web.responses import Answer
from estiva.web.services import Services


class UploadsEndpoint:
    """Opens sessions, mounts, and takes blobs whole."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def post(self, call: Call, route: Uploads) -> Answer:
        """Open a session, unless `mount` or `digest` lead to the blob at once."""
        repository_id = await self._services.guard.push(route.name)
        mount, digest = _digest(call, "mount"), _digest(call, "digest")
        if mount is not None and await self._mount(call, repository_id, mount):
            return _created(route.name, mount)
        if digest is not None:
            return await self._store_whole(call, route.name, repository_id, digest)
        session = await self._services.uploads.begin(repository_id, _algorithm(call))
        return _progress(202, route.name, session, 0)

    async def _mount(self, call: Call, repository_id: int, digest: Digest) -> bool:
        source = call.parameter("from")
        if source is None:
            return await self._services.blobs.mount(repository_id, digest, None)
        source_id = await self._services.guard.find(RepositoryName.parse(source))
        return source_id is not None and await self._services.blobs.mount(repository_id, digest, source_id)

    async def _store_whole(self, call: Call, name: RepositoryName, repository_id: int, digest: Digest) -> Answer:
        with arriving(call, self._services) as body:
            await self._services.uploads.store_whole(repository_id, digest, body)
        return _created(name, digest)


class SessionEndpoint:
    """Takes the chunks of one session, and ends it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, call: Call, route: UploadSession) -> Answer:
        """Tell how much of the upload is kept."""
        repository_id = await self._services.guard.resume(route.name)
        offset = await self._services.uploads.progress(repository_id, route.session)
        return _progress(204, route.name, route.session, offset)

    async def patch(self, call: Call, route: UploadSession) -> Answer:
        """Add a chunk."""
        repository_id = await self._services.guard.resume(route.name)
        with arriving(call, self._services) as body:
            offset = await self._services.uploads.append(repository_id, route.session, body)
        return _progress(202, route.name, route.session, offset)

    async def put(self, call: Call, route: UploadSession) -> Answer:
        """Add the last chunk, if any, and make the blob."""
        repository_id = await self._services.guard.resume(route.name)
        digest = _digest(call, "digest")
        if digest is None:
            raise DigestInvalid("closing an upload needs ?digest=, the digest of the whole blob")
        with arriving(call, self._services) as body:
            await self._services.uploads.finish(repository_id, route.session, digest, body)
        return _created(route.name, digest)

    async def delete(self, call: Call, route: UploadSession) -> Answer:
        """Cancel the upload; who may push may do that, whether or not deleting is switched on."""
        repository_id = await self._services.guard.resume(route.name)
        await self._services.uploads.cancel(repository_id, route.session)
        return responses.empty(204, {})


def _digest(call: Call, name: str) -> Digest | None:
    text = call.parameter(name)
    return None if text is None else Digest.parse_supported(text)


def _algorithm(call: Call) -> Algorithm:
    wanted = call.parameter("digest-algorithm")
    if wanted is None:
        return Algorithm.SHA256
    try:
        return Algorithm(wanted)
    except ValueError as error:
        known = ", ".join(Algorithm)
        raise UploadInvalid(f"digest-algorithm={wanted} is not supported; use one of: {known}") from error


def _progress(status: int, name: RepositoryName, session: str, offset: int) -> Answer:
    # The path alone: behind a proxy, a host or scheme of our own would lead the client astray.
    headers = {
        "Location": upload_path(name, session),
        "Range": render_progress(offset),
        "Docker-Upload-UUID": session,
        **responses.NO_CACHE,
    }
    return responses.empty(status, headers)


def _created(name: RepositoryName, digest: Digest) -> Answer:
    headers = {"Location": blob_path(name, digest), "Docker-Content-Digest": str(digest)}
    return responses.empty(201, headers)
