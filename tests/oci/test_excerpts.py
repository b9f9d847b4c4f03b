# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from estiva.oci.excerpts import excerpt
from oci.strategies import any_text


@given(any_text)
def test_an_excerpt_of_any_text_is_short_ascii(text):
    assert excerpt(text).isascii()
    assert len(excerpt(text)) <= 1600


@given(st.text(st.characters(codec="ascii"), max_size=160))
def test_short_ascii_stands_as_it_is(text):
    assert excerpt(text) == text
