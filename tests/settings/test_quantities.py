# SPDX-License-Identifier: Apache-2.0
"""Sizes and durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.config.quantities import (
    LARGEST_SIZE,
    LONGEST_DURATION,
    parse_duration,
    parse_size,
    parse_whole,
    render_duration,
    render_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("1B", 1),
        ("64MiB", 64 * 1024 * 1024),
        ("64 MiB", 64 * 1024 * 1024),
        ("64MB", 64_000_000),
        ("3kB", 3000),
        ("3KB", 3000),
        ("3KiB", 3072),
        ("2GiB", 2 * 1024**3),
        ("1TB", 10**12),
    ],
)
def test_a_size_has_a_unit_or_is_in_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "MiB", "64M", "64mib", "64Mib", "1.5GiB", "-1", "+1", "1e3", "1_000", "64  MiB", " 64", "64\n", "٣", "0x1"],
)
def test_a_size_that_could_mean_something_else_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a size; write 64MiB, 64MB or a number of bytes"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("30", 30), ("0.5", 0.5), ("250ms", 0.25), ("30s", 30), ("1.5h", 5400), ("15 m", 900), ("7d", 604_800)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1w", "1H", "1M", "1h30m", "-1s", "1.", ".5", "inf", "nan", "1e3", "30s "])
def test_a_duration_that_could_mean_something_else_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration; write"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "1.0", "+1", "1_000", "0x1", "one", "9" * 5000])
def test_a_number_is_written_in_digits(text):
    with pytest.raises(ValueError, match="is not a whole number"):
        parse_whole(text)


@given(st.integers(0, 10**18 - 1) | st.integers(0, 1000).map(lambda count: count * 1024**3))
def test_a_rendered_size_reads_as_the_same(size):
    assert parse_size(render_size(size)) == size <= LARGEST_SIZE


@given(st.integers(0, int(LONGEST_DURATION * 1000)).map(lambda milliseconds: milliseconds / 1000))
def test_a_rendered_duration_reads_as_the_same(seconds):
    assert parse_duration(render_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(86_400, "1d"), (3600, "1h"), (90, "90s"), (60, "1m"), (0.25, "0.25s"), (0, "0s")]
)
def test_a_duration_is_rendered_in_the_largest_unit_that_divides_it(seconds, text):
    assert render_duration(seconds) == text
