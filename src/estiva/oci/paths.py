# SPDX-License-Identifier: Apache-2.0
"""Paths below `/v2` (distribution-spec, "Endpoints").

1. A path is decoded once, whole: `%2F` separates like `/`. What is left of an encoding is in no grammar.
2. Repeated slashes count as one; some clients join a base that ends in one with a path that begins with one.
3. The end of the path decides: names contain slashes, and may have components such as `blobs` or `tags`, so the last
   word that can be an endpoint's is taken for it, and what stands before it is the name.
4. `..` and the like are not resolved; no name, tag, digest or session has them.
"""

import re
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec

from estiva.errors import RouteUnknown, UploadUnknown
from estiva.oci.digests import Digest
from estiva.oci.names import RepositoryName
from estiva.oci.references import parse_reference
from estiva.oci.tags import Tag

_ROOT = "/v2/"
_SLASHES = re.compile("/{2,}")
_SESSION = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)  # RFC 9562, section 4


class Base(msgspec.Struct, frozen=True, gc=False):
    """`/v2/`."""


class Catalog(msgspec.Struct, frozen=True, gc=False):
    """`/v2/_catalog`."""


class TagsList(msgspec.Struct, frozen=True, gc=False):
    """`/v2/<name>/tags/list`."""

    name: RepositoryName


class ManifestPath(msgspec.Struct, frozen=True, gc=False):
    """`/v2/<name>/manifests/<reference>`."""

    name: RepositoryName
    reference: Tag | Digest


class BlobPath(msgspec.Struct, frozen=True, gc=False):
    """`/v2/<name>/blobs/<digest>`."""

    name: RepositoryName
    digest: Digest


class Uploads(msgspec.Struct, frozen=True, gc=False):
    """`/v2/<name>/blobs/uploads/`, with or without the slash."""

    name: RepositoryName


class UploadSession(msgspec.Struct, frozen=True, gc=False):
    """`/v2/<name>/blobs/uploads/<session>`; the session is a UUID in canonical form."""

    name: RepositoryName
    session: str


class Referrers(msgspec.Struct, frozen=True, gc=False):
    """`/v2/<name>/referrers/<digest>`."""

    name: RepositoryName
    digest: Digest


Route: TypeAlias = Base | Catalog | TagsList | ManifestPath | BlobPath | Uploads | UploadSession | Referrers


def parse_path(raw_path: str) -> Route:
    """Parse a path as it was sent, without its query.

    Raises NameInvalid, TagInvalid, DigestInvalid, UploadUnknown, and RouteUnknown for what no endpoint can be.
    """
    path = _decode(raw_path)
    if path in {"/v2", _ROOT}:
        return Base()
    if not path.startswith(_ROOT):
        raise RouteUnknown("the registry's API is under /v2/")
    before, _, last = path[len(_ROOT) :].rpartition("/")
    name, _, marker = before.rpartition("/")
    if marker == "manifests":
        return ManifestPath(RepositoryName.parse(name), parse_reference(last))
    if marker == "blobs" and last != "uploads":
        return BlobPath(RepositoryName.parse(name), Digest.parse(last))
    if marker == "referrers":
        return Referrers(RepositoryName.parse(name), Digest.parse(last))
    return _parse_other(name, marker, last)


def _decode(raw_path: str) -> str:
    path = _SLASHES.sub("/", raw_path) if "//" in raw_path else raw_path
    if "%" not in path:
        return path
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeError as error:
        raise RouteUnknown("the path is not UTF-8") from error


def _parse_other(name: str, marker: str, last: str) -> Route:
    if marker == "tags" and last == "list":
        return TagsList(RepositoryName.parse(name))
    if marker == "blobs":
        return Uploads(RepositoryName.parse(name))
    repository, _, parent = name.rpartition("/")
    if parent == "blobs" and marker == "uploads":
        return _parse_upload(RepositoryName.parse(repository), last)
    if (name, marker, last) == ("", "", "_catalog"):
        return Catalog()
    raise RouteUnknown(
        "no endpoint has this path; after the repository's name comes /manifests/<tag or digest>, /blobs/<digest>, "
        "/blobs/uploads/, /tags/list or /referrers/<digest>"
    )


def _parse_upload(name: RepositoryName, session: str) -> Route:
    if not session:
        return Uploads(name)
    if _SESSION.fullmatch(session) is None:
        raise UploadUnknown("no upload session has such an id; begin a new one")
    return UploadSession(name, session)


def catalog_path() -> str:
    """Return the path of the list of repositories."""
    return "/v2/_catalog"


def tags_path(name: RepositoryName) -> str:
    """Return the path of a repository's tag list."""
    return f"/v2/{name}/tags/list"


def manifest_path(name: RepositoryName, reference: Tag | Digest) -> str:
    """Return the path under which a manifest is pulled."""
    return f"/v2/{name}/manifests/{reference}"


def blob_path(name: RepositoryName, digest: Digest) -> str:
    """Return the path under which a blob is pulled."""
    return f"/v2/{name}/blobs/{digest}"


def upload_path(name: RepositoryName, session: str) -> str:
    """Return the path of an upload session."""
    return f"/v2/{name}/blobs/uploads/{session}"


def referrers_path(name: RepositoryName, digest: Digest) -> str:
    """Return the path of the list of what refers to a manifest."""
    return f"/v2/{name}/referrers/{digest}"
