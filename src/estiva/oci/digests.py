# SPDX-License-Identifier: Apache-2.0
"""Digests: content named by its hash (image-spec, "Digests")."""

import hashlib
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Self

import msgspec

from estiva.errors import DigestInvalid
from estiva.oci.excerpts import excerpt

if TYPE_CHECKING:
    from hashlib import _Hash

MAX_LENGTH = 512  # ours: a digest is a key in the database and goes out in headers; sha512 has 135 characters

# image-spec, "Digests": the grammar, and what registered algorithms ask of the encoded part.
_GRAMMAR = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)", re.ASCII)
_REGISTERED = {
    "sha256": re.compile(r"[a-f0-9]{64}", re.ASCII),
    "sha512": re.compile(r"[a-f0-9]{128}", re.ASCII),
    "blake3": re.compile(r"[a-f0-9]{64}", re.ASCII),
}


class Algorithm(StrEnum):
    """The algorithms that content can be stored under, as they stand before the colon of a digest."""

    SHA256 = "sha256"
    SHA512 = "sha512"

    def hasher(self) -> "_Hash":
        """Return a new, empty hash object."""
        return hashlib.new(self.value)


_SUPPORTED = frozenset(Algorithm)


class Digest(msgspec.Struct, frozen=True, gc=False):
    """The digest of some content, possibly of an algorithm that this registry cannot compute."""

    algorithm: str
    encoded: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a digest of any algorithm. Raises DigestInvalid."""
        found = _GRAMMAR.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if found is None:
            raise DigestInvalid(
                f"the digest is malformed; it reads algorithm:encoded, in at most {MAX_LENGTH} characters",
                detail={"digest": excerpt(text)},
            )
        algorithm, encoded = found.groups()
        shape = _REGISTERED.get(algorithm)
        if shape is not None and shape.fullmatch(encoded) is None:
            raise DigestInvalid(
                f"the digest is malformed; the encoded part of {algorithm} matches {shape.pattern}",
                detail={"digest": excerpt(text)},
            )
        return cls(algorithm, encoded)

    @classmethod
    def parse_supported(cls, text: str) -> Self:
        """Parse a digest of an algorithm that this registry can compute. Raises DigestInvalid."""
        digest = cls.parse(text)
        if not digest.supported:
            raise DigestInvalid(
                f"the digest algorithm {digest.algorithm} is not supported; use one of: {', '.join(Algorithm)}",
                detail={"digest": excerpt(text)},
            )
        return digest

    @classmethod
    def of(cls, data: bytes, algorithm: Algorithm = Algorithm.SHA256) -> Self:
        """Compute the digest of `data`."""
        hasher = algorithm.hasher()
        hasher.update(data)
        return cls(algorithm.value, hasher.hexdigest())

    @property
    def supported(self) -> bool:
        """Tell whether this registry can compute digests of this algorithm."""
        return self.algorithm in _SUPPORTED

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"
