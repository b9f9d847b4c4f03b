# SPDX-License-Identifier: Apache-2.0
"""Which handler answers which endpoint and method."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
from aiohttp.web import StreamResponse

from estiva.errors import MethodUnsupported
from estiva.oci import paths
from estiva.web.call import Call
from estiva.web.responses import Answer
from estiva.web.services import Services
from estiva.web.v2.base import BaseEndpoint, CatalogEndpoint
from estiva.web.v2.blobs import BlobEndpoint
from estiva.web.v2.manifests import ManifestEndpoint
from estiva.web.v2.referrers import ReferrersEndpoint
from estiva.web.v2.tags import TagsEndpoint
from estiva.web.v2.uploads import SessionEndpoint, UploadsEndpoint

# The route is of the type under which the handler stands in the table.
Handler = Callable[[Call, Any], Coroutine[Any, Any, Answer | StreamResponse]]
Table = Mapping[type, Mapping[str, Handler]]


def build_table(services: Services) -> Table:
    """Return the handlers of every endpoint by method."""
    base, catalog, tags = BaseEndpoint(), CatalogEndpoint(services), TagsEndpoint(services)
    manifest, blob = ManifestEndpoint(services), BlobEndpoint(services)
    uploads, session = UploadsEndpoint(services), SessionEndpoint(services)
    referrers = ReferrersEndpoint(services)
    return {
        paths.Base: {"GET": base.get, "HEAD": base.get},
        paths.Catalog: {"GET": catalog.get, "HEAD": catalog.get},
        paths.TagsList: {"GET": tags.get, "HEAD": tags.get},
        paths.ManifestPath: {
            "GET": manifest.get,
            "HEAD": manifest.head,
            "PUT": manifest.put,
            "DELETE": manifest.delete,
        },
        paths.BlobPath: {"GET": blob.get, "HEAD": blob.head, "DELETE": blob.delete},
        paths.Uploads: {"POST": uploads.post},
        paths.UploadSession: {
            "GET": session.get,
            "HEAD": session.get,
            "PATCH": session.patch,
            "PUT": session.put,
            "DELETE": session.delete,
        },
        paths.Referrers: {"GET": referrers.get, "HEAD": referrers.get},
    }


# What metrics call the endpoints.
ENDPOINTS = {
    paths.Base: "base",
    paths.Catalog: "catalog",
    paths.TagsList: "tags",
    paths.ManifestPath: "manifests",
    paths.BlobPath: "blobs",
    paths.Uploads: "uploads",
    paths.UploadSession: "upload",
    paths.Referrers: "referrers",
}


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a path leads to: its endpoint, with what the log says of it, and the handlers by method."""

    route: paths.Route
    methods: Mapping[str, Handler]
    endpoint: str
    repository: str
    reference: str
    upload_path: str | None


class V2:
    """Answers everything under `/v2`."""

    def __init__(self, services: Services) -> None:
        self._table = build_table(services)

    def place(self, path: str) -> Place:
        """Tell what a path leads to. Raises what `parse_path` raises."""
        route = paths.parse_path(path)
        reference, upload = _reference(route), None
        if isinstance(route, paths.UploadSession):
            upload = paths.upload_path(route.name, route.session)
        return Place(
            route=route,
            methods=self._table[type(route)],
            endpoint=ENDPOINTS[type(route)],
            repository="" if isinstance(route, paths.Base | paths.Catalog) else route.name.stored,
            reference=reference,
            upload_path=upload,
        )

    async def answer(self, call: Call) -> Answer | StreamResponse:
        """Find the endpoint, then the method, then call the handler. Raises what they raise."""
        return await self.answer_at(self.place(call.path), call)

    def answer_at(self, place: Place, call: Call) -> Coroutine[Any, Any, Answer | StreamResponse]:
        """Find the method, and return the call of its handler. Raises MethodUnsupported."""
        call.endpoint, call.repository, call.reference = place.endpoint, place.repository, place.reference
        call.upload_path = place.upload_path
        handler = place.methods.get(call.method)
        if handler is None:
            allowed = ", ".join(place.methods)
            raise MethodUnsupported(
                f"{call.method} is not possible here; use one of: {allowed}", headers={"Allow": allowed}
            )
        return handler(call, place.route)


def _reference(route: paths.Route) -> str:
    match route:
        case paths.ManifestPath(reference=reference):
            return str(reference)
        case paths.BlobPath(digest=digest) | paths.Referrers(digest=digest):
            return str(digest)
        case paths.UploadSession(session=session):
            return session
    return ""
