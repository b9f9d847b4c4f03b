# SPDX-License-Identifier: Apache-2.0
"""Manifests: what a pushed JSON document is, and what it refers to.

1. The bytes are kept as they came; this module only reads them.
2. One document has one meaning to every client. Refused is therefore what parsers read differently: a key that
   occurs twice, a known key in another case (Go's parser ignores case), and an image that is an index as well
   (CVE-2021-41190).
3. `mediaType` and Content-Type say the same where both are there. Where neither is, the shape decides; it also
   decides for a type that is not known.
4. Unknown fields and unknown types of content are none of a registry's business (image-spec, "Image Manifest").
5. Digests are checked by their grammar alone: whether such content can exist here is for the push to find out, and
   a subject need not exist.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from estiva.errors import DigestInvalid, ManifestInvalid
from estiva.oci.digests import Digest
from estiva.oci.excerpts import excerpt
from estiva.oci.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    FOREIGN_LAYERS,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    parse_manifest_type,
    schema1_refused,
)
from estiva.oci.numbers import LARGEST


class ManifestKind(StrEnum):
    """The shapes of manifests."""

    IMAGE = "image"
    INDEX = "index"
    ARTIFACT = "artifact"


class Role(StrEnum):
    """What a manifest has a reference for. What an index lists as `manifest` may be a blob: BuildKit does that."""

    CONFIG = "config"
    LAYER = "layer"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A pointer to content (image-spec, "Descriptor"); `media_type` is empty where the manifest has none."""

    media_type: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Content that a manifest needs, by its digest as text.

    It is not `required` to be in the repository if clients fetch it elsewhere.
    """

    digest: str
    size: int
    role: Role
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a registry has to know of a manifest.

    `references` names each digest once, in the order of the document; the subject is not among them.
    `artifact_type` is what the list of referrers shows (distribution-spec, "Listing Referrers").
    """

    kind: ManifestKind
    media_type: str
    artifact_type: str | None
    subject: Descriptor | None
    references: tuple[Reference, ...]
    annotations: Mapping[str, str]


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
    media_type: str | None = None
    urls: list[str] | None = None


class _Document(msgspec.Struct, rename="camel"):
    """The fields that matter; null counts as absent, since Go writes empty lists so."""

    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None
    fs_layers: Any = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None


MAX_REFERENCES = 10_000  # ours: each is a row; the largest images have some hundred layers

_DECODER = msgspec.json.Decoder(_Document)
_FIELDS = {field.casefold(): field for field in _Document.__struct_encode_fields__}
_KINDS = {
    OCI_MANIFEST: ManifestKind.IMAGE,
    DOCKER_MANIFEST: ManifestKind.IMAGE,
    OCI_INDEX: ManifestKind.INDEX,
    DOCKER_LIST: ManifestKind.INDEX,
    OCI_ARTIFACT: ManifestKind.ARTIFACT,
}
_TYPES = {
    ManifestKind.IMAGE: OCI_MANIFEST,
    ManifestKind.INDEX: OCI_INDEX,
    ManifestKind.ARTIFACT: OCI_ARTIFACT,
}
# Ours: what the database can hold as a key. RFC 6838 allows less, and clients push more than that.
_ARTIFACT_TYPE = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)


def parse_manifest(body: bytes, content_type: str | None) -> Manifest:
    """Read a manifest that was pushed under a Content-Type, or without one. Raises ManifestInvalid."""
    document = _decode(body)
    media_type = _media_type(document, content_type)
    kind = _kind(document, media_type)
    return Manifest(
        kind=kind,
        media_type=media_type or _TYPES[kind],
        artifact_type=_artifact_type(document, kind),
        subject=_subject(document),
        references=_references(document, kind),
        annotations=document.annotations or {},
    )


def _decode(body: bytes) -> _Document:
    try:
        text = body.decode()
        document = _DECODER.decode(text)
        _refuse_ambiguous_keys(text)
    except (UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid("the manifest is not JSON in UTF-8, or nested too deeply") from error
    except ValueError as error:
        raise ManifestInvalid(f"the manifest is malformed: {excerpt(str(error))}") from error
    if document.schema_version == 1 or document.fs_layers is not None:
        raise schema1_refused()
    if document.schema_version not in {None, 2}:
        raise ManifestInvalid("the manifest's schemaVersion must be 2")
    return document


def _refuse_ambiguous_keys(text: str) -> None:
    keys: list[str] = json.loads(text, object_pairs_hook=_distinct_keys, parse_int=str, parse_float=str)
    for key in keys:
        field = _FIELDS.get(key.casefold(), key)
        if field != key:
            raise ManifestInvalid(f"the manifest has a key {excerpt(key)}; write {field}")


def _distinct_keys(pairs: list[tuple[str, Any]]) -> list[str]:
    """Return the keys of an object in place of it; the decoder above has the values."""
    keys = [key for key, _ in pairs]
    # In a descriptor, case is another's spelling of the same key; in a map such as the annotations it is not.
    names = [key.casefold() for key in keys] if "digest" in keys else keys
    if len(set(names)) != len(names):
        repeated, _ = Counter(names).most_common(1)[0]
        raise ManifestInvalid(f"the key {excerpt(repeated)} occurs twice in one object of the manifest")
    return keys


def _media_type(document: _Document, content_type: str | None) -> str | None:
    """Return the type that the header or the document states, or None."""
    declared = parse_manifest_type(content_type) if content_type else None
    stated = parse_manifest_type(document.media_type) if document.media_type else None
    if declared is not None and stated is not None and declared != stated:
        raise ManifestInvalid(
            f"the manifest's mediaType is {stated}, but it came as {declared}; send Content-Type: {stated}",
            detail={"mediaType": stated, "contentType": declared},
        )
    return stated or declared


def _kind(document: _Document, media_type: str | None) -> ManifestKind:
    shapes = {
        ManifestKind.IMAGE: document.config is not None or document.layers is not None,
        ManifestKind.INDEX: document.manifests is not None,
        ManifestKind.ARTIFACT: document.blobs is not None,
    }
    if shapes[ManifestKind.IMAGE] and shapes[ManifestKind.INDEX]:
        raise ManifestInvalid("the manifest has layers or a config, and manifests; it can be an image or an index")
    known = _KINDS.get(media_type or "")
    if known is None:
        known = next((kind for kind, there in shapes.items() if there), None)
        if known is None:
            raise ManifestInvalid("the manifest has neither config and layers nor manifests; what it is cannot be told")
    elif known is ManifestKind.IMAGE and document.config is None:
        raise ManifestInvalid(f"a manifest of type {media_type} needs a config")
    elif known is ManifestKind.INDEX and document.manifests is None:
        raise ManifestInvalid(f"a manifest of type {media_type} needs manifests, even if the list is empty")
    return known


def _artifact_type(document: _Document, kind: ManifestKind) -> str | None:
    artifact_type = document.artifact_type
    if not artifact_type and kind is ManifestKind.IMAGE and document.config is not None:
        artifact_type = document.config.media_type
    if not artifact_type:
        return None
    if _ARTIFACT_TYPE.fullmatch(artifact_type) is None:
        raise ManifestInvalid("artifactType, or the config's mediaType in place of it, is no media type")
    return artifact_type


def _subject(document: _Document) -> Descriptor | None:
    subject = document.subject
    if subject is None:
        return None
    digest = _digest(subject, "subject")
    return Descriptor(media_type=subject.media_type or "", digest=digest, size=subject.size)


def _digest(descriptor: _Descriptor, where: str) -> Digest:
    try:
        return Digest.parse(descriptor.digest)
    except DigestInvalid as error:
        raise ManifestInvalid(f"in {where} of the manifest: {error.message}", detail=error.detail) from error


def _references(document: _Document, kind: ManifestKind) -> tuple[Reference, ...]:
    listed: list[tuple[Role, str, Iterable[_Descriptor]]]
    if kind is ManifestKind.IMAGE:
        config = [] if document.config is None else [document.config]
        listed = [(Role.CONFIG, "config", config), (Role.LAYER, "layers", document.layers or [])]
    elif kind is ManifestKind.INDEX:
        listed = [(Role.MANIFEST, "manifests", document.manifests or [])]
    else:
        listed = [(Role.LAYER, "blobs", document.blobs or [])]
    if sum(len(list(descriptors)) for _, _, descriptors in listed) > MAX_REFERENCES:
        raise ManifestInvalid(f"the manifest refers to more than {MAX_REFERENCES} things")
    merged: dict[str, Reference] = {}
    for role, where, descriptors in listed:
        for descriptor in descriptors:
            _merge(merged, _reference(descriptor, role, where))
    return tuple(merged.values())


def _reference(descriptor: _Descriptor, role: Role, where: str) -> Reference:
    return Reference(
        digest=str(_digest(descriptor, where)),
        size=descriptor.size,
        role=role,
        required=not (descriptor.media_type in FOREIGN_LAYERS and descriptor.urls),
    )


def _merge(merged: dict[str, Reference], reference: Reference) -> None:
    known = merged.setdefault(reference.digest, reference)
    if reference.required and not known.required:
        merged[reference.digest] = replace(known, required=True)
