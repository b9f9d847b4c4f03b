# SPDX-License-Identifier: Apache-2.0
"""RFC 9110, section 14, and distribution-spec, "Pushing a blob in chunks"."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estiva.errors import RangeNotSatisfiable, UploadInvalid
from estiva.oci.ranges import MAX_RANGES, Span, content_range, parse_content_range, parse_range, render_progress
from oci.strategies import any_text, outcome

positions = st.integers(min_value=0, max_value=30)
sizes = st.integers(min_value=1, max_value=25)
firsts_and_lasts = st.tuples(positions, positions).map(sorted)
int_ranges = firsts_and_lasts.map(lambda ends: (f"{ends[0]}-{ends[1]}", range(ends[0], ends[1] + 1)))


def selected(spans):
    return {position for span in spans for position in range(span.start, span.stop)}


def parse_or_refuse(header, size):
    spans = outcome(parse_range, header, size)
    return () if isinstance(spans, RangeNotSatisfiable) else spans


@given(st.lists(int_ranges, min_size=1, max_size=6), sizes)
def test_the_bytes_that_are_asked_for_and_exist_are_sent_once_each(asked, size):
    header = "bytes=" + ",".join(spec for spec, _ in asked)
    spans = parse_or_refuse(header, size)
    assert selected(spans) == {position for _, wanted in asked for position in wanted} & set(range(size))
    assert sum(span.stop - span.start for span in spans) == len(selected(spans))
    assert all(span.start < span.stop for span in spans)


@given(st.lists(positions, min_size=2, max_size=10, unique=True), st.randoms())
def test_ranges_that_do_not_overlap_stand_as_asked(bounds, random):
    spans = [Span(start, stop) for start, stop in pairwise(sorted(bounds))]
    random.shuffle(spans)
    header = "bytes=" + ", ".join(f"{span.start}-{span.stop - 1}" for span in spans)
    assert parse_range(header, 100) == tuple(spans)


@given(st.lists(int_ranges, min_size=1, max_size=6), sizes)
def test_ranges_that_overlap_are_joined_in_ascending_order(asked, size):
    whole = f"0-{size - 1}"
    assert parse_range(f"bytes={whole}," + ",".join(spec for spec, _ in asked), size) == (Span(0, size),)


def test_only_what_overlaps_is_joined():
    assert parse_range("bytes=50-59,0-9,5-14,15-19", 100) == (Span(0, 15), Span(15, 20), Span(50, 60))


@given(any_text | any_text.map("bytes=".__add__) | st.text("bytes=0123456789-, ", max_size=30), st.integers(0, 1000))
@example("bytes=0-" + "9" * 5000, 10)
@example("bytes=" + "9" * 5000 + "-", 10)
@example("bytes=-" + "9" * 5000, 10)
def test_any_header_selects_bytes_that_exist_or_the_whole_or_nothing(header, size):
    spans = parse_or_refuse(header, size)
    assert spans is None or all(0 <= span.start < span.stop <= size for span in spans)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (Span(0, 1),)),
        ("bytes=0-", (Span(0, 10),)),
        ("bytes=3-5", (Span(3, 6),)),
        ("bytes=9-9999", (Span(9, 10),)),
        ("bytes=-3", (Span(7, 10),)),
        ("bytes=-9999", (Span(0, 10),)),
        ("BYTES=0-0", (Span(0, 1),)),
        ("bytes=0-0,-1", (Span(0, 1), Span(9, 10))),
        ("bytes= 0-0 ,\t2-2", (Span(0, 1), Span(2, 3))),
        ("bytes=,,0-0,,", (Span(0, 1),)),
        ("bytes=0-0,50-60", (Span(0, 1),)),
        ("bytes=007-008", (Span(7, 9),)),
    ],
)
def test_a_range_is_read_as_rfc_9110_section_14_1_2_says(header, expected):
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(
    "header",
    [
        None, "", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=1", "bytes=1-2-3", "bytes=--1",
        "bytes=1 - 2", "bytes=1_0-20", "bytes=\u0660-\u0669", "bytes=0-1;2-3", "items=0-1", "bytes 0-1", "bytes=0-1,x",
        "bytes=0-1\n", "bytes=+1-2", "0-1",
    ],
)  # fmt: skip
def test_what_is_absent_malformed_or_in_another_unit_asks_for_the_whole(header):
    """RFC 9110, section 14.2: a server MAY ignore the Range header field, and MUST ignore an unknown unit."""
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    "header", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=10-,-0", "bytes=99999999999999999999-"]
)
def test_ranges_beyond_the_end_are_416(header):
    """RFC 9110, section 15.5.17."""
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, 10)
    assert caught.value.headers == {"Content-Range": "bytes */10"}


@pytest.mark.parametrize("header", ["bytes=5-0", "bytes=500-0", "bytes=0-1,5-4", "bytes=5-4,0-1"])
def test_a_range_that_ends_before_it_begins_is_416(header):
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=5-", "bytes=-1", "bytes=-0"])
def test_any_range_of_empty_content_is_the_whole(header):
    assert parse_range(header, 0) is None


def test_as_many_ranges_are_served_as_podman_asks_for_in_one_request():
    header = "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MAX_RANGES))
    assert len(parse_range(header, 10_000)) == MAX_RANGES


def test_more_ranges_are_answered_with_the_whole():
    header = "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MAX_RANGES + 1))
    assert parse_range(header, 10_000) is None


@given(st.integers(0, 2**63 - 2), st.integers(1, 2**62), st.integers(0, 2**62))
def test_content_range_names_the_first_and_the_last_byte(start, length, rest):
    span = Span(start, start + length)
    rendered = content_range(span, span.stop + rest)
    assert rendered == f"bytes {start}-{start + length - 1}/{start + length + rest}"


@given(firsts_and_lasts)
def test_a_chunks_range_must_be_inclusive_on_both_ends(ends):
    """distribution-spec, "Pushing a blob in chunks"."""
    first, last = ends
    assert parse_content_range(f"{first}-{last}") == Span(first, last + 1)


@pytest.mark.parametrize("text", ["0-9", "bytes 0-9/10", "bytes 0-9/*", "0-9/10", " 0-9 ", "00-09"])
def test_a_chunks_range_may_be_written_as_http_writes_it(text):
    assert parse_content_range(text) == Span(0, 10)


@given(any_text | st.text("0123456789-/bytes* ", max_size=30))
@example("0-" + "9" * 5000)
@example("9-0")
def test_any_other_chunk_range_is_refused(text):
    """distribution-spec, "Pushing a blob in chunks": it MUST match `^[0-9]+-[0-9]+$`."""
    span = outcome(parse_content_range, text)
    assert isinstance(span, UploadInvalid) or 0 <= span.start < span.stop < 2**63
    assert isinstance(span, UploadInvalid) or re.search(r"[0-9]+-[0-9]+", text, re.ASCII)


@pytest.mark.parametrize(
    "text", ["", "-", "1-", "-1", "2-1", "0-0-0", "bytes=0-9", "1_0-20", "\u0660-\u0669", "+0-9", "0- 9", "0-9\n"]
)
def test_what_is_near_a_chunks_range_is_refused(text):
    with pytest.raises(UploadInvalid):
        parse_content_range(text)


@given(st.integers(0, 2**63))
def test_progress_is_two_numbers_the_second_at_least_the_first(offset):
    first, last = map(int, re.fullmatch(r"([0-9]+)-([0-9]+)", render_progress(offset), re.ASCII).groups())
    assert (first, last) == (0, max(0, offset - 1))


@given(st.integers(1, 2**63 - 2))
def test_the_end_of_range_is_the_position_of_the_last_uploaded_byte(offset):
    """distribution-spec, "Pushing a blob in chunks"."""
    assert parse_content_range(render_progress(offset)) == Span(0, offset)
