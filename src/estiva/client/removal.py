# SPDX-License-Identifier: Apache-2.0
"""Remove what was pushed, as far as the registry allows it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from estiva.client.load import FAULTS
from estiva.client.registry import Refused, Registry, expect
from estiva.client.wire import Answer

_CONNECTIONS = 8
_BUSY = frozenset({429, 503})
_TRIES = 5
"""How often one thing is tried that the registry is too busy to delete."""
_LONGEST_PAUSE_S = 10
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
    """Remove all `paths` and count in `removal`.

    Once the registry refuses one of a kind, its others are left; once it does not answer, all of them.
    """
    unique = list(dict.fromkeys(paths))
    removal.left = len(unique)
    lost = list[bool]()

    async def drain(waiting: list[str], kind: str) -> None:
        async with client() as registry:
            while waiting:
                try:
                    answer = await _delete(registry, waiting.pop())
                    expect(answer, f"deleting from {kind}", 200, 202, 204, 404)
                except FAULTS as error:
                    removal.reason = removal.reason or str(error)
                    lost.append(not isinstance(error, Refused))
                    waiting.clear()
                    return
                removal.removed += 1
                removal.left -= 1
                progress(removal.removed, len(unique))

    for kind in _KINDS:
        if any(lost):
            return
        waiting = [path for path in unique if _kind(path) == kind]
        await asyncio.gather(*(drain(waiting, kind) for _ in range(min(_CONNECTIONS, len(waiting)))))


async def _delete(registry: Registry, path: str) -> Answer:
    """Delete one; a registry that is too busy is asked again when it says, a few times."""
    for _ in range(_TRIES - 1):
        answer = await registry.request("DELETE", path)
        if answer.status not in _BUSY:
            return answer
        wanted = answer.header("Retry-After")  # seconds, or a date
        pause = int(wanted[:4]) if wanted.isascii() and wanted.isdigit() else 1
        await asyncio.sleep(min(pause, _LONGEST_PAUSE_S))
    return await registry.request("DELETE", path)


def _kind(path: str) -> str:
    if "/manifests/" in path:
        return "manifests"
    return "blobs" if "/blobs/sha256:" in path else "uploads"
