# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estiva.oci.numbers import LARGEST, parse_digits
from oci.strategies import any_text


@given(st.integers(min_value=0, max_value=2 * LARGEST), st.integers(min_value=0, max_value=30))
@example(LARGEST, 0)
@example(LARGEST + 1, 0)
def test_a_number_is_read_as_it_is_up_to_the_largest(value, zeros):
    assert parse_digits("0" * zeros + str(value)) == min(value, LARGEST)


def test_any_number_of_digits_is_read():
    assert parse_digits("9" * 100_000) == LARGEST
    assert parse_digits("0" * 100_000) == 0


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", " 1", "1 ", "1\n", "1_000", "\u0661", "\u00b2", "1.0", "1e3", "0x10", "\u00bd"]
)
def test_what_int_would_take_beyond_digits_is_refused(text):
    assert parse_digits(text) is None


@given(any_text)
def test_any_text_is_a_number_or_none(text):
    value = parse_digits(text)
    assert value is None or 0 <= value <= LARGEST
