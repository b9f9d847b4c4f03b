# SPDX-License-Identifier: Apache-2.0
"""Content to push: blobs and manifests made of bytes that never repeat."""

import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"

_random = random.Random(20260101)


def digest(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def blob(size: int = 512) -> bytes:
    return _random.randbytes(size)


def descriptor(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content), **more}


@dataclass
class Image:
    """An image: its blobs, and its manifest as bytes."""

    layers: list[bytes] = field(default_factory=lambda: [blob()])
    config: bytes = field(default_factory=lambda: json.dumps({"os": "linux", "nonce": blob(8).hex()}).encode())
    subject: dict[str, Any] | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> list[bytes]:
        return [self.config, *self.layers]

    @property
    def manifest(self) -> bytes:
        body: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(self.config, OCI_CONFIG),
            "layers": [descriptor(layer, OCI_LAYER) for layer in self.layers],
        }
        body |= {"subject": self.subject} if self.subject else {}
        body |= {"artifactType": self.artifact_type} if self.artifact_type else {}
        body |= {"annotations": self.annotations} if self.annotations else {}
        return json.dumps(body).encode()

    @property
    def digest(self) -> str:
        return digest(self.manifest)

    @property
    def descriptor(self) -> dict[str, Any]:
        return descriptor(self.manifest, OCI_MANIFEST)


def index(*children: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children), **more}).encode()
