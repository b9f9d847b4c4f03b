# SPDX-License-Identifier: Apache-2.0
"""distribution-spec, "Pulling manifests": what `<tag-or-digest>` may be as a tag."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.errors import TagInvalid
from estiva.oci.tags import Tag
from oci.strategies import TAG, any_text, tag_texts


@given(tag_texts)
def test_a_tag_must_match_the_regular_expression_of_pulling_manifests(text):
    assert str(Tag.parse(text)) == text


@given((any_text | st.text("aA0_.-: \n", max_size=8)).filter(lambda text: not re.fullmatch(TAG, text, re.ASCII)))
def test_every_other_text_is_refused(text):
    with pytest.raises(TagInvalid):
        Tag.parse(text)


@pytest.mark.parametrize("text", ["", ".a", "-a", "a\n", "a/b", "a:b", "a+b", "ä", "a b", ".."])
def test_what_is_near_a_tag_is_refused(text):
    with pytest.raises(TagInvalid):
        Tag.parse(text)


def test_a_tag_must_be_at_most_128_characters_in_length():
    assert Tag.parse("a" * 128)
    with pytest.raises(TagInvalid, match="at most 128"):
        Tag.parse("a" * 129)
