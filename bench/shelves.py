# SPDX-License-Identifier: Apache-2.0
"""What is stored in a contender before it is measured."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from bench.bodies import Payload
from bench.clients import push_blob, put_manifest
from bench.servers import Server
from bench.wire import Body, Connection

_CONNECTIONS = 8


class Shelf(Protocol):
    """Where blobs and manifests are put for later reading."""

    def put_blob(self, repository: str, body: Body, payload: Payload) -> None:
        """Store one blob; `payload` is where its bytes come from."""

    def put_manifests(self, repository: str, documents: Iterable[tuple[str, bytes]]) -> None:
        """Store manifests under their tags."""


class ApiShelf:
    """A registry, filled through its API."""

    def __init__(self, server: Server) -> None:
        self._port = server.port

    def put_blob(self, repository: str, body: Body, payload: Payload) -> None:
        """Push one blob."""
        with Connection(self._port) as connection:
            push_blob(connection, repository, body)

    def put_manifests(self, repository: str, documents: Iterable[tuple[str, bytes]]) -> None:
        """Push the manifests over several connections."""
        local = threading.local()
        opened: list[Connection] = []

        def connect() -> None:
            local.connection = Connection(self._port)
            opened.append(local.connection)

        def put(document: tuple[str, bytes]) -> None:
            put_manifest(local.connection, repository, *document)

        with ThreadPoolExecutor(_CONNECTIONS, initializer=connect) as pool:
            for _ in pool.map(put, documents):
                pass
        for connection in opened:
            connection.close()


class FileShelf:
    """A directory that a web server offers under the paths of a registry."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put_blob(self, repository: str, body: Body, payload: Payload) -> None:
        """Write one blob without its framing."""
        with self._file(repository, "blobs", body.digest).open("wb") as file:
            file.writelines(payload.content(body))

    def put_manifests(self, repository: str, documents: Iterable[tuple[str, bytes]]) -> None:
        """Write one file for each tag."""
        for tag, document in documents:
            self._file(repository, "manifests", tag).write_bytes(document)

    def _file(self, repository: str, kind: str, name: str) -> Path:
        directory = self._root / "v2" / repository / kind
        directory.mkdir(parents=True, exist_ok=True)
        return directory / name
