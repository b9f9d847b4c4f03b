# SPDX-License-Identifier: Apache-2.0
"""What handlers are given."""

from dataclasses import dataclass

from estiva.content.blobs import Blobs
from estiva.content.manifests import Manifests
from estiva.content.referrers import Referrers
from estiva.content.repositories import Repositories
from estiva.content.tags import Tags
from estiva.content.uploads import Uploads
from estiva.options.content import ContentOptions
from estiva.options.limits import LimitOptions
from estiva.telemetry.metrics import Metrics
from estiva.web.documents import Documents
from estiva.web.guard import Guard
from estiva.web.intake import Intake


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The content floor, the guard in front of it, and the settings that answers depend on."""

    guard: Guard
    repositories: Repositories
    uploads: Uploads
    blobs: Blobs
    manifests: Manifests
    tags: Tags
    referrers: Referrers
    intake: Intake
    documents: Documents
    metrics: Metrics
    limits: LimitOptions
    policy: ContentOptions
