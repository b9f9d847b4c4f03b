# SPDX-License-Identifier: Apache-2.0
"""Put the parts together."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from estiva.blobstore import BlobStore
from estiva.config import Settings
from estiva.content.blobs import Blobs
from estiva.content.expiry import Expiry
from estiva.content.manifests import Manifests
from estiva.content.referrers import Referrers
from estiva.content.repositories import Repositories
from estiva.content.statistics import Statistics
from estiva.content.tags import Tags
from estiva.content.terms import Terms
from estiva.content.uploads import Uploads
from estiva.db.engine import Database
from estiva.jobs.sweeper import Sweeper
from estiva.telemetry.access import AccessWriter
from estiva.telemetry.metrics import Metrics
from estiva.web.documents import Documents
from estiva.web.entry import Entry
from estiva.web.forwarded import ClientAddresses
from estiva.web.guard import Guard
from estiva.web.health import HealthEndpoint
from estiva.web.intake import Intake
from estiva.web.remembered import Moment
from estiva.web.services import Services
from estiva.web.v1 import SearchEndpoint
from estiva.web.v2 import V2
from estiva.web.welcome import welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What the services stand on."""

    db: Database
    store: BlobStore
    pool: Executor
    terms: Terms
    statistics: Statistics
    metrics: Metrics
    access: AccessWriter


def build_entry(settings: Settings, adapters: Adapters) -> Entry:
    """Return the entry of a server with these settings on these adapters."""
    services = _services(settings, adapters)
    search = SearchEndpoint(services)
    health = HealthEndpoint(adapters.db, adapters.store, adapters.metrics)
    pages = {
        "/": welcome,
        "/healthz": health.live,
        "/readyz": health.ready,
        "/metrics": health.metrics,
        "/v1/_ping": search.ping,
        "/v1/search": search.search,
    }
    return Entry(
        V2(services),
        pages,
        ClientAddresses(settings.proxy.trusted),
        (adapters.metrics, adapters.access, adapters.statistics),
        settings.limits.stall_timeout,
        _snapshots(adapters),
    )


def _snapshots(adapters: Adapters) -> Callable[[], Moment | None]:
    """Return what takes a snapshot of the database, and tells it apart from others; the clock is part of it."""
    snapshot, clock = adapters.db.snapshot, adapters.terms.clock

    def take() -> Moment | None:
        state = snapshot()
        return None if state is None else (state, clock() // 1000)

    return take


def build_sweeper(settings: Settings, adapters: Adapters) -> Sweeper:
    """Return the sweeper of a server."""
    return Sweeper(Expiry(adapters.db, adapters.store, adapters.terms), settings.storage.sweep_every)


def _services(settings: Settings, adapters: Adapters) -> Services:
    db, store, terms = adapters.db, adapters.store, adapters.terms
    repositories = Repositories(db, terms)
    return Services(
        guard=Guard(repositories),
        repositories=repositories,
        uploads=Uploads(db, store, adapters.pool, terms),
        blobs=Blobs(db, store, terms),
        manifests=Manifests(db, store, terms, settings.content),
        tags=Tags(db, terms),
        referrers=Referrers(db),
        intake=Intake(settings.limits.uploads, settings.limits.upload_buffers, adapters.metrics),
        documents=Documents(settings.limits.manifest_buffers, adapters.metrics),
        metrics=adapters.metrics,
        limits=settings.limits,
        policy=settings.content,
    )
