# SPDX-License-Identifier: Apache-2.0
"""Write OCI image layouts: real images whose digests are known before any client has seen them."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """Content by digest, with the platform when it is one of several."""

    media_type: str
    digest: str
    size: int
    architecture: str | None = None

    def rendered(self) -> dict[str, Any]:
        """Return it as the JSON that manifests carry."""
        stated: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.architecture:
            stated["platform"] = {"os": "linux", "architecture": self.architecture}
        return stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A compressed tar stored in a layout, and the digest of the tar itself (its diff id)."""

    descriptor: Descriptor
    diff_id: str


def tarball(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of executable files, the same bytes each time."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


class Layout:
    """An OCI image layout in a directory, with tagged images."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tags: dict[str, Descriptor] = {}
        (path / "blobs/sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, content: bytes, media_type: str) -> Descriptor:
        """Store bytes."""
        encoded = hashlib.sha256(content).hexdigest()
        (self.path / "blobs/sha256" / encoded).write_bytes(content)
        return Descriptor(media_type=media_type, digest=f"sha256:{encoded}", size=len(content))

    def json(self, value: object, media_type: str) -> Descriptor:
        """Store a JSON value."""
        return self.blob(json.dumps(value, separators=(",", ":")).encode(), media_type)

    def content(self, digest: str) -> bytes:
        """Return stored bytes."""
        return (self.path / "blobs" / digest.replace(":", "/")).read_bytes()

    def layer(self, tar: bytes) -> Layer:
        """Store a tar as a compressed layer; always the same bytes for the same tar."""
        stored = self.blob(gzip.compress(tar, compresslevel=1, mtime=0), LAYER)
        return Layer(descriptor=stored, diff_id=f"sha256:{hashlib.sha256(tar).hexdigest()}")

    def image(self, layers: Sequence[Layer], *, command: Sequence[str] = (), architecture: str = "amd64") -> Descriptor:
        """Store an image's configuration and manifest."""
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": "2024-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": list(command)},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "a test"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.json(config, CONFIG).rendered(),
            "layers": [layer.descriptor.rendered() for layer in layers],
        }
        return replace(self.json(manifest, MANIFEST), architecture=architecture)

    def index(self, images: Sequence[Descriptor]) -> Descriptor:
        """Store an index of images, one per platform."""
        return self.json(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image.rendered() for image in images]}, INDEX
        )

    def tag(self, name: str, target: Descriptor) -> None:
        """Name a manifest in the layout."""
        self.tags[name] = replace(target, architecture=None)
        named = [{**one.rendered(), "annotations": _named(tag)} for tag, one in self.tags.items()]
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": named}))

    def needs(self, target: Descriptor) -> Iterator[Descriptor]:
        """Yield what a manifest refers to, the deepest first."""
        manifest = json.loads(self.content(target.digest))
        for child in manifest.get("manifests", ()):
            descriptor = _parsed(child)
            yield from self.needs(descriptor)
            yield descriptor
        for blob in (manifest.get("config"), *manifest.get("layers", ())):
            if blob:
                yield _parsed(blob)

    def manifest(self, tag: str) -> Any:
        """Return a tagged manifest as JSON."""
        return json.loads(self.content(self.tags[tag].digest))

    def archive(self, tag: str, name: str, into: Path) -> Path:
        """Write one tagged image as a tar that `docker load`, `podman load` and `ctr images import` all take."""
        target = self.tags[tag]
        manifest = self.manifest(tag)
        name = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        legacy = {
            "Config": _blob_path(manifest["config"]["digest"]),
            "RepoTags": [name],
            "Layers": [_blob_path(layer["digest"]) for layer in manifest["layers"]],
        }
        index = {"schemaVersion": 2, "manifests": [{**target.rendered(), "annotations": _named(name)}]}
        with tarfile.open(into, "w") as archive:
            for entry, value in (
                ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                ("index.json", index),
                ("manifest.json", [legacy]),
            ):
                _add(archive, entry, json.dumps(value).encode())
            for digest in {target.digest, manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])}:
                archive.add(self.path / _blob_path(digest), _blob_path(digest))
        return into


def _parsed(stated: Mapping[str, Any]) -> Descriptor:
    return Descriptor(media_type=stated["mediaType"], digest=stated["digest"], size=stated["size"])


def _named(name: str) -> dict[str, str]:
    """Annotate a descriptor with its name as layouts (the tag alone) and containerd (all of it) want it."""
    return {"org.opencontainers.image.ref.name": name.rpartition(":")[2], "io.containerd.image.name": name}


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
