# SPDX-License-Identifier: Apache-2.0
"""distribution-spec, "Listing Tags"."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.errors import PageInvalid
from estiva.oci.paging import Page, next_link, parse_page
from oci.strategies import any_text, outcome, tag_texts

limits = st.integers(0, 10**6)


def parse(n, last=None, default=100, maximum=1000):
    return parse_page(n, last, default=default, maximum=maximum)


@given(limits, st.none() | tag_texts)
def test_n_limits_the_page_up_to_the_maximum(n, last):
    assert parse(str(n), last) == Page(min(n, 1000), last)


@given(st.none() | limits, st.none() | tag_texts)
def test_n_is_optional_with_and_without_last(default, last):
    """When using the `last` query parameter, the `n` parameter is OPTIONAL."""
    assert parse(None, last, default=default) == Page(default, last)


def test_an_n_of_zero_is_a_page_of_nothing():
    """When `n` is zero, this endpoint MUST return an empty list."""
    assert parse("0") == Page(0, None)


def test_an_n_of_any_size_means_the_maximum():
    assert parse("9" * 10_000) == Page(1000, None)


@pytest.mark.parametrize("n", ["", "-1", "+1", "1.0", "a", " 1", "1_0", "\u0661", "0x1", "1\n"])
def test_an_n_that_is_no_integer_is_refused(n):
    with pytest.raises(PageInvalid):
        parse(n)


@pytest.mark.parametrize("last", ["\0", "a\n", "\udc80", "ä"])
def test_a_last_that_no_list_can_have_is_refused(last):
    with pytest.raises(PageInvalid):
        parse("1", last)


def test_last_need_not_exist_nor_have_the_grammar_of_a_tag():
    assert parse("1", "-not a tag-") == Page(1, "-not a tag-")


def test_an_empty_last_is_the_beginning():
    assert parse("1", "") == parse("1") == Page(1, None)


@given(st.none() | any_text, st.none() | any_text)
def test_any_parameters_make_a_page_or_an_error_that_can_be_told(n, last):
    page = outcome(parse, n, last)
    assert isinstance(page, PageInvalid) or 0 <= page.limit <= 1000


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), min_size=1))
def test_a_link_leads_to_the_parameters(params):
    link = next_link("/v2/a/tags/list", params)
    target = urlsplit(link.removeprefix("<").removesuffix('>; rel="next"'))
    assert target.path == "/v2/a/tags/list"
    assert dict(parse_qsl(target.query, strict_parsing=True)) == params


@given(st.dictionaries(st.text(), st.text() | st.integers(0) | st.none()))
def test_a_link_has_no_character_that_would_end_it_or_the_header(params):
    """The `Link` header MUST be set according to RFC 5988 with the Relation Type `rel="next"`."""
    link = next_link("/v2/a/tags/list", params)
    target = link.removeprefix("<").removesuffix('>; rel="next"')
    assert link == f'<{target}>; rel="next"'
    assert target.isascii()
    assert not set(target) & set('<>" ,;\r\n')


def test_a_link_is_the_path_alone_and_leaves_out_what_is_none():
    link = next_link("/v2/a/referrers/x:y", {"n": 2, "artifactType": None, "last": "a b+c&d/e"})
    assert link == '</v2/a/referrers/x:y?n=2&last=a%20b%2Bc%26d%2Fe>; rel="next"'
