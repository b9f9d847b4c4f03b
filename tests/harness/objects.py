# SPDX-License-Identifier: Apache-2.0
"""The objects that a server keeps on disk."""

import contextlib
from pathlib import Path

STORES_OWN = {"id", "id.new"}  # the store's name, and what a crash can leave of writing it


def object_files(data: Path) -> list[Path]:
    """Return every file among the objects in a data directory, whether it is one or a stray."""
    found = (data / "blobs").rglob("*")
    return [path for path in found if path.name not in STORES_OWN and path.is_file()]


def object_sizes(data: Path) -> list[int]:
    """Return their sizes in bytes, whatever is being removed meanwhile."""
    sizes = []
    for path in object_files(data):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sizes
