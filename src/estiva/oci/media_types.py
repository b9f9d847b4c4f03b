# SPDX-License-Identifier: Apache-2.0
"""Media types that this registry tells apart, and the grammar of all others."""

import re

from estiva.errors import ManifestInvalid
from estiva.oci.excerpts import excerpt

OCTET_STREAM = "application/octet-stream"

# image-spec, "Media Types"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"  # of image-spec 1.1's release candidates

# distribution, "Image Manifest Version 2, Schema 2", and the schema before it
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

# Layers that whoever made the image may not pass on; clients fetch them from their `urls`.
FOREIGN_LAYERS = frozenset(
    {
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    }
)

BUILDKIT_CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"  # a blob among the `manifests` of an index

# RFC 6838, section 4.2
_RESTRICTED_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
_GRAMMAR = re.compile(rf"{_RESTRICTED_NAME}/{_RESTRICTED_NAME}", re.ASCII)


def parse_media_type(text: str) -> str:
    """Return a media type in lower case and without its parameters. Raises ManifestInvalid."""
    media_type = text.partition(";")[0].strip(" \t").lower()
    if _GRAMMAR.fullmatch(media_type) is None:
        raise ManifestInvalid("the media type is malformed; it reads type/subtype", detail={"mediaType": excerpt(text)})
    return media_type


def parse_manifest_type(text: str) -> str:
    """Parse the media type of a manifest, which is JSON: nobody can have this registry serve a page or a script.

    Raises ManifestInvalid.
    """
    media_type = parse_media_type(text)
    if media_type in {DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED}:
        raise schema1_refused()
    if not (media_type.startswith("application/") and media_type.endswith(("+json", "/json"))):
        raise ManifestInvalid(
            f"{media_type} is not the type of a manifest; use {OCI_MANIFEST}, {OCI_INDEX} or another "
            "application/...+json as Content-Type",
            detail={"mediaType": media_type},
        )
    return media_type


def schema1_refused() -> ManifestInvalid:
    """Return the error for a manifest of Docker's first schema."""
    return ManifestInvalid(
        "this is a manifest of Docker's schema 1, which clients no longer pull; push it from a current client, or "
        "convert it: skopeo copy --format oci"
    )
