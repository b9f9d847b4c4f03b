# SPDX-License-Identifier: Apache-2.0
"""A running registry, and plain questions to it that no client stands between."""

import hashlib
import http.client
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.process import WORKERS
from harness.switches import variables

from .layouts import INDEX, MANIFEST, Descriptor, Layout
from .programs import running

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the registry answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that listens at `address` (host:port), without TLS and without authentication."""

    address: str

    def __str__(self) -> str:
        return self.address

    def ask(self, method: str, path: str, body: bytes | None = None, media_type: str = "") -> Answer:
        """Send one request."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        headers = {"Accept": MANIFEST_TYPES, "Content-Type": media_type or "application/octet-stream"}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(status=response.status, headers=response.headers, body=response.read())
        finally:
            connection.close()

    def holds(self, name: str, reference: str) -> bool:
        """Tell whether a manifest is there."""
        return self.ask("HEAD", f"/v2/{name}/manifests/{reference}").status == 200

    def digest(self, name: str, reference: str) -> str:
        """Tell a manifest's digest, computed from its bytes; HEAD and GET must say the same."""
        head = self.ask("HEAD", f"/v2/{name}/manifests/{reference}")
        got = self.ask("GET", f"/v2/{name}/manifests/{reference}")
        assert (head.status, got.status) == (200, 200), got.body
        stated = got.headers["Docker-Content-Digest"]
        algorithm, _, encoded = stated.partition(":")
        assert hashlib.new(algorithm, got.body).hexdigest() == encoded
        assert head.headers["Docker-Content-Digest"] == stated
        return stated

    def manifest(self, name: str, reference: str) -> Any:
        """Return a manifest as JSON."""
        answer = self.ask("GET", f"/v2/{name}/manifests/{reference}")
        assert answer.status == 200, answer.body
        return answer.json

    def holds_blob(self, name: str, digest: str) -> bool:
        """Tell whether a blob is there."""
        return self.ask("HEAD", f"/v2/{name}/blobs/{digest}").status == 200

    def tags(self, name: str) -> list[str]:
        """List a repository's tags, in the order they are served."""
        answer = self.ask("GET", f"/v2/{name}/tags/list")
        assert answer.status == 200, answer.body
        return answer.json["tags"]

    def referrers(self, name: str, digest: str) -> list[dict[str, Any]]:
        """List the descriptors of what refers to a manifest."""
        answer = self.ask("GET", f"/v2/{name}/referrers/{digest}")
        assert answer.status == 200, answer.body
        return answer.json["manifests"]

    def publish(self, layout: Layout, tag: str, name: str) -> str:
        """Push a layout's image or index under its tag, and return its digest."""
        target = layout.tags[tag]
        for needed in layout.needs(target):
            if needed.media_type in (MANIFEST, INDEX):
                self._put(f"/v2/{name}/manifests/{needed.digest}", layout, needed)
            else:
                location = self.ask("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
                path = location.removeprefix(f"http://{self.address}")
                self._put(f"{path}{'&' if '?' in path else '?'}digest={needed.digest}", layout, needed)
        self._put(f"/v2/{name}/manifests/{tag}", layout, target)
        return target.digest

    def _put(self, path: str, layout: Layout, target: Descriptor) -> None:
        answer = self.ask("PUT", path, layout.content(target.digest), target.media_type)
        assert answer.status == 201, answer.body


@contextmanager
def serving(data: Path, environment: Mapping[str, str] | None = None) -> Iterator[Registry]:
    """Run an open registry on a free port, with its data in a directory of its own."""
    command = [sys.executable, "-m", "estiva", "serve", "--open", "--port", "0", "--data", data]
    settings = {"ESTIVA_WORKERS": WORKERS, **variables(), **(environment or {})}
    with running(command, ready=r"http://(localhost:\d+)", environment=settings) as found:
        yield Registry(found[1])
