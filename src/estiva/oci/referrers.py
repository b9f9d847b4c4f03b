# SPDX-License-Identifier: Apache-2.0
"""Referrers: the list of manifests that name another as their subject."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from estiva.oci.media_types import OCI_INDEX


class Referrer(Protocol):
    """A manifest as the list shows it; `annotations` is a JSON object."""

    @property
    def media_type(self) -> str:
        """The manifest's own type."""

    @property
    def digest(self) -> str:
        """The manifest's digest."""

    @property
    def size(self) -> int:
        """The manifest's size in bytes."""

    @property
    def artifact_type(self) -> str | None:
        """What the manifest is for, or None when it does not say."""

    @property
    def annotations(self) -> str:
        """The manifest's own annotations."""


class _Descriptor(msgspec.Struct, rename="camel", omit_defaults=True):
    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    annotations: msgspec.Raw | None = None


class _Index(msgspec.Struct, rename="camel"):
    manifests: list[_Descriptor]
    schema_version: int = 2
    media_type: str = OCI_INDEX


def render_index(referrers: Iterable[Referrer]) -> bytes:
    """Render an image index of the referrers, of type OCI_INDEX (distribution-spec, "Listing Referrers")."""
    return msgspec.json.encode(_Index(manifests=[_descriptor(referrer) for referrer in referrers]))


def _descriptor(referrer: Referrer) -> _Descriptor:
    return _Descriptor(
        media_type=referrer.media_type,
        digest=referrer.digest,
        size=referrer.size,
        artifact_type=referrer.artifact_type or None,
        annotations=None if referrer.annotations == "{}" else msgspec.Raw(referrer.annotations.encode()),
    )
