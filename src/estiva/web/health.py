# SPDX-License-Identifier: Apache-2.0
"""`/healthz`, `/readyz` and `/metrics`: for whoever watches the server."""

from estiva.blobstore import BlobStore
from estiva.db.engine import Database
from estiva.telemetry.metrics import Metrics
from estiva.web import responses
from estiva.web.call import Call
from estiva.web.responses import Answer


class HealthEndpoint:
    """Answers probes."""

    def __init__(self, db: Database, store: BlobStore, metrics: Metrics) -> None:
        self._db = db
        self._store = store
        self._metrics = metrics

    async def live(self, call: Call) -> Answer:
        """Answer 200 while the process serves at all."""
        return responses.json({"status": "ok"}, responses.NO_CACHE)

    async def ready(self, call: Call) -> Answer:
        """Answer 200 when database and storage work. Raises DatabaseUnavailable, StorageUnavailable: 503."""
        await self._db.check()
        await self._store.check()
        return responses.json({"status": "ready"}, responses.NO_CACHE)

    async def metrics(self, call: Call) -> Answer:
        """Answer with the metrics in Prometheus' text format."""
        space = await self._store.space()
        self._metrics.observe_space(space.free, space.total)
        content, media_type = self._metrics.render()
        return responses.body(content, media_type, responses.NO_CACHE)
