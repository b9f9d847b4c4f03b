# SPDX-License-Identifier: Apache-2.0
"""distribution-spec, "Pulling manifests": what `<name>` may be."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.errors import NameInvalid
from estiva.oci.names import RepositoryName
from oci.strategies import NAME, any_text, name_texts, outcome


@given(name_texts | st.from_regex(NAME, fullmatch=True).filter(lambda text: len(text) <= 255))
def test_a_name_must_match_the_regular_expression_of_pulling_manifests(text):
    name = RepositoryName.parse(text)
    assert str(name) == name.asked == text


@given(any_text | st.text("ab-_./A \n", max_size=12))
def test_a_text_is_taken_exactly_when_the_regular_expression_matches_all_of_it(text):
    matches = re.fullmatch(NAME, text, re.ASCII) is not None
    assert matches == isinstance(outcome(RepositoryName.parse, text), RepositoryName)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a_",
        "_a",
        "a___b",
        "a..b",
        "a._b",
        ".",
        "..",
        "a/../b",
        "a\n",
        "a b",
        "ä",
        "a\0",
    ],
)
def test_what_is_near_a_name_is_refused(text):
    with pytest.raises(NameInvalid):
        RepositoryName.parse(text)


@pytest.mark.parametrize("text", ["a--b", "a---b", "a__b", "a_b", "a.b", "0", "a/b/c/d/e"])
def test_dashes_repeat_and_underscores_come_in_twos(text):
    assert str(RepositoryName.parse(text)) == text


def test_a_name_has_at_most_255_characters():
    """distribution-spec, "Pulling manifests", implementers' note."""
    assert RepositoryName.parse("a" * 255)
    with pytest.raises(NameInvalid, match="256 characters"):
        RepositoryName.parse("a" * 256)


def test_a_long_name_is_refused_at_once():
    with pytest.raises(NameInvalid):
        RepositoryName.parse("a-" * 1_000_000)


@given(name_texts)
def test_a_name_is_stored_as_asked_unless_it_is_an_official_image(text):
    stored = RepositoryName.parse(text).stored
    assert stored in {text, text.removeprefix("library/")}
    assert RepositoryName.parse(stored.removeprefix("library/")).asked in text


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("library/alpine", "alpine"),
        ("alpine", "alpine"),
        ("library", "library"),
        ("library/library", "library"),
        ("library/a/b", "library/a/b"),
        ("a/library/b", "a/library/b"),
        ("mylibrary/a", "mylibrary/a"),
    ],
)
def test_the_official_images_of_docker_hub_are_stored_without_library(asked, stored):
    assert RepositoryName.parse(asked) == RepositoryName(asked, stored)


def test_the_error_repeats_the_name_in_characters_that_every_client_can_read():
    with pytest.raises(NameInvalid) as caught:
        RepositoryName.parse("a\udc80\0é")
    assert caught.value.detail == {"name": r"a\udc80" + "\0" + r"\xe9"}
