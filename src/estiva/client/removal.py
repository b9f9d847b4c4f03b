# SPDX-License-Identifier: Apache-2.0
"""Remove what was pushed, as far as the registry allows it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from estiva.client.load import FAULTS, said
from estiva.client.registry import Registry, expect

_CONNECTIONS = 8
_KINDS = ("manifests", "blobs", "uploads")
"""What is removed, in this order: registries keep a blob that a manifest needs."""


@dataclass(slots=True)
class Removal:
    """How many things were removed, how many are left, and the first reason for that."""

    removed: int = 0
    left: int = 0
    reason: str = ""


Progress = Callable[[int, int], None]
"""Hears how many are removed, and of how many."""


async def remove(client: Callable[[], Registry], paths: Sequence[str], removal: Removal, progress: Progress) -> None:
    """Remove all `paths` and count in `removal`; once the registry refuses one of a kind, its others are left."""
    unique = list(dict.fromkeys(paths))
    removal.left = len(unique)

    async def drain(waiting: list[str], kind: str) -> None:
        async with client() as registry:
            while waiting:
                try:
                    answer = await registry.request("DELETE", waiting.pop())
                    expect(answer, f"deleting from {kind}", 200, 202, 204, 404)
                except FAULTS as error:
                    removal.reason = removal.reason or said(error)
                    waiting.clear()
                    return
                removal.removed += 1
                removal.left -= 1
                progress(removal.removed, len(unique))

    for kind in _KINDS:
        waiting = [path for path in unique if _kind(path) == kind]
        await asyncio.gather(*(drain(waiting, kind) for _ in range(min(_CONNECTIONS, len(waiting)))))


def _kind(path: str) -> str:
    if "/manifests/" in path:
        return "manifests"
    return "blobs" if "/blobs/sha256:" in path else "uploads"
