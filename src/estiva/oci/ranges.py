# SPDX-License-Identifier: Apache-2.0
"""Ranges of bytes: of pulls (RFC 9110, section 14) and of uploads (distribution-spec, "Pushing a blob in chunks").

On a pull:

1. What is absent, malformed or in another unit asks for the whole; so does any range of nothing at all, since an
   empty answer has no Content-Range.
2. A range that ends before it begins is refused with 416 (section 14.2 allows that).
3. Ranges that overlap are joined, and then stand in ascending order (section 15.3.7.2), so no answer sends a byte
   twice. Others stand as asked.
4. More than MAX_RANGES ask for the whole (section 14.2 allows that as well).
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from estiva.errors import RangeNotSatisfiable, UploadInvalid
from estiva.oci.excerpts import excerpt
from estiva.oci.numbers import LARGEST, parse_digits

MAX_RANGES = 1024  # the most that podman asks for in one request (containers/storage, maxNumberMissingChunks)

_SPEC = re.compile(r"[0-9]+-[0-9]*|-[0-9]+", re.ASCII)
_UPLOADED = re.compile(r"(?:bytes )?([0-9]+)-([0-9]+)(?:/(?:[0-9]+|\*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


def parse_range(header: str | None, size: int) -> tuple[Span, ...] | None:
    """Return what a Range header asks for of `size` bytes, or None for the whole.

    Raises RangeNotSatisfiable when all of it lies beyond the end, or any range ends before it begins.
    """
    unit, _, listed = (header or "").partition("=")
    if unit.lower() != "bytes" or size == 0 or listed.count(",") >= MAX_RANGES:
        return None
    # Empty elements of a list count for nothing (section 5.6.1.2).
    specs = [spec for element in listed.split(",") if (spec := element.strip(" \t"))]
    if not specs or not all(map(_SPEC.fullmatch, specs)):
        return None
    spans = [_span(spec, size) for spec in specs]
    satisfiable = [span for span in spans if span.start < span.stop]
    if not satisfiable:
        raise RangeNotSatisfiable(size)
    return _join(satisfiable)


def _span(spec: str, size: int) -> Span:
    """Return what a range-spec selects; an empty span if it selects nothing."""
    first, _, last = spec.partition("-")
    if not first:
        return Span(max(0, size - _number(last)), size)
    start = _number(first)
    if not last:
        return Span(start, max(start, size))
    end = _number(last)
    if end < start:
        raise RangeNotSatisfiable(size)
    return Span(start, max(start, min(end + 1, size)))


def _number(digits: str) -> int:
    value = parse_digits(digits)
    return LARGEST if value is None else value


def _join(spans: list[Span]) -> tuple[Span, ...]:
    ascending = sorted(spans, key=lambda span: span.start)
    if all(left.stop <= right.start for left, right in pairwise(ascending)):
        return tuple(spans)
    joined = [ascending[0]]
    for span in ascending[1:]:
        if span.start < joined[-1].stop:
            joined[-1] = Span(joined[-1].start, max(joined[-1].stop, span.stop))
        else:
            joined.append(span)
    return tuple(joined)


def content_range(span: Span, size: int) -> str:
    """Render the Content-Range of a partial answer; the span is not empty."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def parse_content_range(text: str) -> Span:
    """Parse the Content-Range of a chunk: `start-end`, or the same as RFC 9110 writes it. Raises UploadInvalid."""
    found = _UPLOADED.fullmatch(text.strip(" \t"))
    start, end = (None, None) if found is None else (parse_digits(found[1]), parse_digits(found[2]))
    if start is None or end is None or not start <= end < LARGEST:
        raise UploadInvalid(
            "Content-Range is malformed; it reads start-end, the positions of the chunk's first and last byte",
            detail={"Content-Range": excerpt(text)},
        )
    return Span(start, end + 1)


def render_progress(offset: int) -> str:
    """Render the Range of an upload that has `offset` bytes.

    Clients read it as two numbers, so an empty upload has `0-0`, as has one of a single byte.
    """
    return f"0-{max(0, offset - 1)}"
