# SPDX-License-Identifier: Apache-2.0
"""Bytes under keys: one Protocol, several stores. No names, tags or media types are known here."""

from estiva.blobstore.filesystem import FilesystemStore
from estiva.blobstore.memory import MemoryStore
from estiva.blobstore.protocol import (
    BlobStore,
    Glance,
    ObjectBusy,
    ObjectMissing,
    Piece,
    Reader,
    Space,
    Writer,
    holds,
    new_key,
)

__all__ = [
    "BlobStore",
    "FilesystemStore",
    "Glance",
    "MemoryStore",
    "ObjectBusy",
    "ObjectMissing",
    "Piece",
    "Reader",
    "Space",
    "Writer",
    "holds",
    "new_key",
]
