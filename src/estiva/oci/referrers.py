# SPDX-License-Identifier: Apache-2.0
"""Referrers: the list of manifests that name another as their subject, and the tag that stood in for it."""

import re
from collections.abc import Iterable
from typing import Protocol

import msgspec

from estiva.oci.digests import Digest
from estiva.oci.media_types import OCI_INDEX
from estiva.oci.tags import Tag

# distribution-spec, "Referrers Tag Schema"
_ALGORITHM_LENGTH = 32
_ENCODED_LENGTH = 64
_NOT_OF_TAGS = re.compile(r"[^a-zA-Z0-9._-]", re.ASCII)
_FALLBACK = re.compile(r"(sha256|sha512)-([a-f0-9]{64})", re.ASCII)


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


def fallback_tag(digest: Digest) -> Tag:
    """Return the tag under which clients of older registries list what refers to `digest`."""
    text = f"{digest.algorithm[:_ALGORITHM_LENGTH]}-{digest.encoded[:_ENCODED_LENGTH]}"
    return Tag.parse(_NOT_OF_TAGS.sub("-", text))


def subject_of_fallback_tag(tag: Tag) -> tuple[str, str] | None:
    """Return the algorithm, and the beginning of the encoded part, of the digest that a fallback tag stands for.

    None for any other tag, and for a digest of another algorithm than sha256 and sha512: its tag can be anything.
    """
    found = _FALLBACK.fullmatch(tag.name)
    return None if found is None else (found[1], found[2])
