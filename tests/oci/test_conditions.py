# SPDX-License-Identifier: Apache-2.0
"""RFC 9110, section 13.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.oci.conditions import etag, match, none_match
from oci.strategies import any_text, digest_texts

HERE = '"sha256:here"'
THERE = '"sha256:there"'

foreign_tags = st.text(st.characters(codec="ascii", exclude_characters='"', categories=["L", "N", "P"])).map(
    '"{}"'.format
)


def split_list(header):
    return {element.strip(" \t") for element in header.split(",")}


@given(digest_texts)
def test_an_entity_tag_is_the_digest_in_quotes(digest):
    assert etag(digest) == f'"{digest}"'


def test_without_a_header_there_is_no_condition():
    assert not none_match(None, HERE)
    assert match(None, HERE)


@pytest.mark.parametrize("condition", [none_match, match])
@pytest.mark.parametrize(
    "header",
    ["*", " * ", HERE, f"{THERE}, {HERE}", f"{THERE},{HERE} ,", f",{HERE}", "sha256:here", f"W/{THERE},\t{HERE}"],
)
def test_what_is_there_is_named_alone_in_a_list_without_quotes_or_by_a_star(condition, header):
    assert condition(header, HERE)


@pytest.mark.parametrize("condition", [none_match, match])
@pytest.mark.parametrize(
    "header",
    [
        "",
        ",",
        '""',
        THERE,
        f"{THERE}, {THERE}",
        '"sha256:here',
        'sha256:here"',
        '"*"',
        "sha256:",
        '"SHA256:here"',
        f"{THERE}, *",
    ],
)
def test_anything_else_names_something_else(condition, header):
    assert not condition(header, HERE)


def test_none_match_compares_weakly():
    """Section 13.1.2: a recipient MUST use the weak comparison function for If-None-Match."""
    assert none_match(f"W/{HERE}", HERE)


def test_match_compares_strongly():
    """Section 13.1.1: an origin server MUST use the strong comparison function for If-Match."""
    assert not match(f"W/{HERE}", HERE)
    assert match(f"W/{HERE}, {HERE}", HERE)


@given(st.lists(foreign_tags, max_size=5), digest_texts, st.data())
def test_one_of_a_list_is_enough(others, digest, data):
    listed = data.draw(st.permutations([*others, etag(digest)]))
    assert none_match(", ".join(listed), etag(digest))
    assert match(", ".join(listed), etag(digest))


@given(st.lists(foreign_tags, max_size=5))
def test_an_entity_tag_with_commas_names_nothing_of_ours(others):
    header = ", ".join(['"a, b"', *others])
    assert none_match(header, HERE) == match(header, HERE) == (HERE in others)


@given(any_text, digest_texts)
def test_any_header_holds_or_does_not(header, digest):
    named = bool(split_list(header) & {etag(digest), digest}) or header.strip(" \t") == "*"
    assert match(header, etag(digest)) == named
    assert none_match(header, etag(digest)) >= named
