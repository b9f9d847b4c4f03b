# SPDX-License-Identifier: Apache-2.0
"""A registry made of dicts: what the specification and ARCHITECTURE.md make of one request after another.

Methods return the status that the server must answer with, and change what is there as the server must.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from harness.content import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, descriptor, digest


@dataclass(frozen=True)
class Manifest:
    """A manifest as it was pushed; `parts` are the blobs and manifests that it needs."""

    content: bytes
    media_type: str
    parts: "tuple[bytes | Manifest, ...]"
    subject: str | None
    artifact_type: str | None
    annotations: dict[str, str]

    @property
    def needs(self) -> set[str]:
        """The digests of what it needs."""
        return {digest(part.content if isinstance(part, Manifest) else part) for part in self.parts}

    def listed(self, name: str) -> dict[str, Any]:
        """Its entry in a list of referrers."""
        entry: dict[str, Any] = {"mediaType": self.media_type, "digest": name, "size": len(self.content)}
        entry |= {"artifactType": self.artifact_type} if self.artifact_type else {}
        return entry | ({"annotations": self.annotations} if self.annotations else {})


def image(config: bytes, layers: list[bytes], **more: Any) -> Manifest:
    """Make an image of these blobs; `more` may hold subject, artifactType and annotations."""
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, OCI_CONFIG),
        "layers": [descriptor(layer, OCI_LAYER) for layer in layers],
    }
    return _manifest(body, OCI_MANIFEST, (config, *layers), more, OCI_CONFIG)


def index(children: list[Manifest | bytes], **more: Any) -> Manifest:
    """Make an index of manifests, and of blobs as BuildKit does; `more` as for an image."""
    entries = [
        descriptor(child.content, child.media_type) if isinstance(child, Manifest) else descriptor(child, OCI_LAYER)
        for child in children
    ]
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return _manifest(body, OCI_INDEX, tuple(children), more, None)


def _manifest(
    body: dict[str, Any],
    media_type: str,
    parts: tuple[bytes | Manifest, ...],
    more: dict[str, Any],
    fallback: str | None,
) -> Manifest:
    given = {name: value for name, value in more.items() if value}
    subject = given.get("subject")
    return Manifest(
        content=json.dumps(body | given).encode(),
        media_type=media_type,
        parts=parts,
        subject=subject and subject["digest"],
        artifact_type=given.get("artifactType", fallback),
        annotations=given.get("annotations", {}),
    )


@dataclass
class Repository:
    """What one repository holds, by digest; tags by name."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def served_as_blob(self, name: str) -> bytes | None:
        """What stands under a digest at `/blobs/`, manifests included."""
        if name in self.blobs or name not in self.manifests:
            return self.blobs.get(name)
        return self.manifests[name].content

    def resolve(self, reference: str) -> str | None:
        """The digest of the manifest under a tag or digest."""
        name = self.tags.get(reference, reference)
        return name if name in self.manifests else None

    def is_needed(self, name: str) -> bool:
        """Whether a manifest refers to it."""
        return any(name in manifest.needs for manifest in self.manifests.values())

    def referrers(self, subject: str, artifact_type: str | None) -> list[dict[str, Any]]:
        """The list of what refers to a digest."""
        found = (
            (name, manifest)
            for name, manifest in sorted(self.manifests.items())
            if manifest.subject == subject and artifact_type in {None, manifest.artifact_type}
        )
        return [manifest.listed(name) for name, manifest in found]


@dataclass
class Session:
    """An upload: what has been kept of it, and whether it is over."""

    repository: str
    location: str
    content: bytes = b""
    over: bool = False

    @property
    def shown(self) -> str:
        """The Range that the server must show."""
        return f"0-{max(0, len(self.content) - 1)}"


@dataclass
class Registry:
    """Repositories by name; one that nobody pushed to is not there."""

    repositories: dict[str, Repository] = field(default_factory=dict)

    def pushed_to(self, name: str) -> Repository:
        """The repository, which a push makes if need be, even one that fails."""
        return self.repositories.setdefault(name, Repository())

    def catalog(self) -> list[str]:
        """The names of repositories that hold a manifest."""
        return sorted(name for name, repository in self.repositories.items() if repository.manifests)

    def append(self, session: Session, content: bytes, start: int | None) -> int:
        """Add a chunk that says where it begins, or does not."""
        if session.over:
            return 404
        if start is not None and start != len(session.content):
            return 416
        session.content += content
        return 202

    def finish(self, session: Session, content: bytes, asked: str) -> int:
        """Add the last chunk, and end the upload."""
        if session.over:
            return 404
        session.content += content
        session.over = True
        if digest(session.content, asked.partition(":")[0]) != asked:
            return 400
        self.pushed_to(session.repository).blobs[asked] = session.content
        return 201

    def cancel(self, session: Session) -> int:
        """End the upload."""
        if session.over:
            return 404
        session.over = True
        return 204

    def push_blob(self, name: str, content: bytes, asked: str) -> int:
        """Push in one request."""
        repository = self.pushed_to(name)
        if digest(content, asked.partition(":")[0]) != asked:
            return 400
        repository.blobs[asked] = content
        return 201

    def mount(self, name: str, asked: str, source: str | None) -> int:
        """Mount from a repository, or from any; 202 when it is not there."""
        target = self.pushed_to(name)
        sources = self.repositories.values() if source is None else [self.repositories.get(source, Repository())]
        content = next((repository.blobs[asked] for repository in sources if asked in repository.blobs), None)
        if content is None:
            return 202
        target.blobs[asked] = content
        return 201

    def delete_blob(self, name: str, asked: str) -> int:
        """Stop showing a blob."""
        repository = self.repositories.get(name)
        if repository is None or asked not in repository.blobs:
            return 404
        if repository.is_needed(asked):
            return 405
        del repository.blobs[asked]
        return 202

    def put(self, name: str, manifest: Manifest, asked: str, tags: list[str]) -> int:
        """Push a manifest under its digest, and set tags on it."""
        if digest(manifest.content, asked.partition(":")[0]) != asked:
            return 400  # before anything is made for it
        repository = self.pushed_to(name)
        if not manifest.needs <= repository.blobs.keys() | repository.manifests.keys():
            return 400
        repository.manifests.setdefault(asked, manifest)
        repository.tags.update(dict.fromkeys(tags, asked))
        return 201

    def delete_tag(self, name: str, tag: str) -> int:
        """Delete a tag; what it pointed to stays."""
        repository = self.repositories.get(name)
        if repository is None or tag not in repository.tags:
            return 404
        del repository.tags[tag]
        return 202

    def delete_manifest(self, name: str, asked: str) -> int:
        """Delete a manifest, and the tags on it."""
        repository = self.repositories.get(name)
        if repository is None or asked not in repository.manifests:
            return 404
        if repository.is_needed(asked):
            return 405
        del repository.manifests[asked]
        repository.tags = {tag: name for tag, name in repository.tags.items() if name != asked}
        return 202
