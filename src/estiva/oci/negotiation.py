# SPDX-License-Identifier: Apache-2.0
"""Content negotiation: what is stored is what is sent, with one exception for clients from before manifest lists.

Such a client names the schema 2 manifest in Accept and no kind of list; it would fail on one. It gets the image for
linux/amd64 that the list names, as it did from the registries of its time (distribution-spec,
"content-negotiation.md").
"""

import msgspec

from estiva.oci.digests import Digest
from estiva.oci.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX

_LISTS = {DOCKER_LIST, OCI_INDEX}


class _Platform(msgspec.Struct, frozen=True):
    os: str = ""
    architecture: str = ""


class _Entry(msgspec.Struct):
    digest: str = ""
    platform: _Platform | None = None


class _List(msgspec.Struct):
    manifests: list[_Entry] | None = None


_DEFAULT = _Platform(os="linux", architecture="amd64")
_DECODER = msgspec.json.Decoder(_List)


def knows_no_lists(accept: str | None, stored_type: str) -> bool:
    """Tell whether a list is stored, and the client would understand an image only."""
    if accept is None or stored_type not in _LISTS:
        return False
    accepted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return DOCKER_MANIFEST in accepted and not accepted & {*_LISTS, "*/*", "application/*"}


def default_image(content: bytes) -> Digest | None:
    """Return the digest of the linux/amd64 image that a stored list names, or None.

    A list may be stored whose platforms are no platforms, since only its digests are checked: it names none.
    """
    try:
        entries = _DECODER.decode(content).manifests or []
        return next((Digest.parse(entry.digest) for entry in entries if entry.platform == _DEFAULT), None)
    except msgspec.ValidationError:
        return None
