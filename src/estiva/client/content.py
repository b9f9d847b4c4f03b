# SPDX-License-Identifier: Apache-2.0
"""Random blobs, and the documents of images.

Every blob is new to the registry, or one that notices known content would do less. Only the last bytes differ, so
that hashing costs the client once what it costs a server each time. Before them some MiB of random bytes are repeated,
whatever the size: a blob takes no more memory than those, with the framing of their chunks.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

CHUNK = 32 * 1024
"""Bytes in one chunk of an upload: what docker sends."""

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"

_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_PART = 8 * CHUNK  # Some chunks at a time: writing each alone would cost a call for each.
_BLOCK = 16 * _PART
_MARK = 32

SMALLEST = _MARK
"""Bytes in the smallest blob."""


class Content(Protocol):
    """What a manifest says of a blob."""

    @property
    def digest(self) -> str:
        """Its digest, as registries write it."""

    @property
    def size(self) -> int:
        """Its size in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes to push: `parts` is a whole chunked body, `size` the bytes without its framing."""

    digest: str
    size: int
    parts: Sequence[bytes | memoryview]


class Blobs:
    """Makes blobs of one size, in bytes: at least `SMALLEST`."""

    def __init__(self, size: int) -> None:
        self.size = max(size, SMALLEST)
        length = self.size - _MARK
        data = os.urandom(min(length, _BLOCK))
        framed = [_framed(data[at : at + _PART]) for at in range(0, len(data), _PART)]
        blocks, rest = divmod(length, _BLOCK)
        parts, odd = divmod(rest, _PART)
        self._parts = blocks * framed + framed[:parts]
        if odd:
            self._parts.append(_framed(data[rest - odd : rest]))
        self._hash = hashlib.sha256()
        for _ in range(blocks):
            self._hash.update(data)
        self._hash.update(data[:rest])

    def blob(self, mark: str) -> Blob:
        """Return a blob that `mark` makes unlike any other."""
        tail = hashlib.sha256(mark.encode()).digest()
        hasher = self._hash.copy()
        hasher.update(tail)
        ending = b"%x\r\n%b\r\n0\r\n\r\n" % (len(tail), tail)
        return Blob(digest=f"sha256:{hasher.hexdigest()}", size=self.size, parts=[*self._parts, ending])


def _framed(piece: bytes) -> memoryview:
    chunks = (piece[at : at + CHUNK] for at in range(0, len(piece), CHUNK))
    return memoryview(b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks))


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of `data` as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config_document(mark: str) -> bytes:
    """Return an image configuration of about 2 KiB that `mark` makes unlike any other."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [f"SETTING_{index}={index:032x}" for index in range(32)], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(mark.encode())]},
        "history": [{"created_by": mark}],
    }
    return json.dumps(document).encode()


def config_blob(mark: str) -> Blob:
    """Return an image configuration as a blob."""
    data = config_document(mark)
    return Blob(digest=digest_of(data), size=len(data), parts=[b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)])


def manifest(config: Content, layers: Sequence[Content], mark: str) -> bytes:
    """Return the manifest of an image; `mark` becomes an annotation."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "digest": config.digest, "size": config.size},
        "layers": [{"mediaType": _LAYER_TYPE, "digest": layer.digest, "size": layer.size} for layer in layers],
        "annotations": {"org.opencontainers.image.ref.name": mark},
    }
    return json.dumps(document).encode()
