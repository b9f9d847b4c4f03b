# SPDX-License-Identifier: Apache-2.0
"""Which handler answers which endpoint and method."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp.web import StreamResponse

from estiva.errors import MethodUnsupported
from estiva.oci import paths
from estiva.web.call import Call
from estiva.web.services import Services
from estiva.web.v2.base import BaseEndpoint, CatalogEndpoint
from estiva.web.v2.blobs import BlobEndpoint
from estiva.web.v2.manifests import ManifestEndpoint
from estiva.web.v2.referrers import ReferrersEndpoint
from estiva.web.v2.tags import TagsEndpoint
from estiva.web.v2.uploads import SessionEndpoint, UploadsEndpoint

# The route is of the type under which the handler stands in the table.
Handler = Callable[[Call, Any], Awaitable[StreamResponse]]
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


class V2:
    """Answers everything under `/v2`."""

    def __init__(self, services: Services) -> None:
        self._table = build_table(services)

    async def answer(self, call: Call) -> StreamResponse:
        """Find the endpoint, then the method, then call the handler. Raises what they raise."""
        route = paths.parse_path(call.path)
        _describe(call, route)
        methods = self._table[type(route)]
        handler = methods.get(call.request.method)
        if handler is None:
            allowed = ", ".join(methods)
            raise MethodUnsupported(
                f"{call.request.method} is not possible here; use one of: {allowed}", headers={"Allow": allowed}
            )
        return await handler(call, route)


def _describe(call: Call, route: paths.Route) -> None:
    call.endpoint = ENDPOINTS[type(route)]
    match route:
        case paths.Base() | paths.Catalog():
            return
        case paths.ManifestPath(reference=reference):
            call.reference = str(reference)
        case paths.BlobPath(digest=digest) | paths.Referrers(digest=digest):
            call.reference = str(digest)
        case paths.UploadSession(name=name, session=session):
            call.reference = session
            call.upload_path = paths.upload_path(name, session)
    call.repository = route.name.stored
