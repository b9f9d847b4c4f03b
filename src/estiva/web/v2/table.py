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


class V2:
    """Answers everything under `/v2`."""

    def __init__(self, services: Services) -> None:
        self._table = build_table(services)

    async def answer(self, call: Call) -> StreamResponse:
        """Find the endpoint, then the method, then call the handler. Raises what they raise."""
        route = paths.parse_path(call.path)
        call.endpoint = type(route).__name__
        call.repository = str(getattr(route, "name", ""))
        call.reference = str(getattr(route, "reference", getattr(route, "digest", getattr(route, "session", ""))))
        if isinstance(route, paths.UploadSession):
            call.upload_path = paths.upload_path(route.name, route.session)
        methods = self._table[type(route)]
        handler = methods.get(call.request.method)
        if handler is None:
            allowed = ", ".join(methods)
            raise MethodUnsupported(
                f"{call.request.method} is not possible here; use one of: {allowed}", headers={"Allow": allowed}
            )
        return await handler(call, route)
