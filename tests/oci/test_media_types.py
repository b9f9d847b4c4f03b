# SPDX-License-Identifier: Apache-2.0
"""RFC 6838, section 4.2, and which types a manifest may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.errors import ManifestInvalid
from estiva.oci import media_types
from estiva.oci.media_types import parse_manifest_type, parse_media_type
from oci.strategies import any_text, outcome

RESTRICTED_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"

media_type_texts = st.from_regex(rf"{RESTRICTED_NAME}/{RESTRICTED_NAME}", fullmatch=True)
manifest_type_texts = st.from_regex(r"application/[a-z0-9][a-z0-9.]{0,40}\+json", fullmatch=True)


@given(media_type_texts)
def test_a_media_type_is_read_in_lower_case(text):
    assert parse_media_type(text) == text.lower()


@given(media_type_texts, any_text)
def test_the_parameters_of_a_media_type_are_ignored(text, parameters):
    """distribution-spec, "Pushing Manifests": the registry SHOULD ignore parameters on the Content-Type header."""
    assert parse_media_type(f"{text} ; {parameters}") == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a/",
        "/a",
        "a/b/c",
        "a b/c",
        ".a/b",
        "a/b, c/d",
        "a/b\n",
        "ä/b",
        "*/*",
        "a" * 128 + "/b",
        "a/" + "b" * 128,
    ],
)
def test_what_is_no_media_type_is_refused(text):
    with pytest.raises(ManifestInvalid):
        parse_media_type(text)


@given(any_text)
def test_any_text_is_a_media_type_or_an_error_that_can_be_told(text):
    assert isinstance(outcome(parse_manifest_type, text), str | ManifestInvalid)


@given(manifest_type_texts)
def test_any_json_of_applications_may_be_a_manifest(text):
    assert parse_manifest_type(text + ";charset=utf-8") == text


@pytest.mark.parametrize(
    "text",
    [media_types.OCI_MANIFEST, media_types.OCI_INDEX, media_types.OCI_ARTIFACT, media_types.DOCKER_MANIFEST,
     media_types.DOCKER_LIST, "application/json"],
)  # fmt: skip
def test_the_types_of_manifests_are_taken(text):
    assert parse_manifest_type(text) == text


@pytest.mark.parametrize(
    "text",
    ["text/html", "text/html+json", "image/svg+xml", "application/xhtml+xml", "application/javascript", "text/json",
     "application/x-www-form-urlencoded", "application/octet-stream", "multipart/form-data; boundary=x"],
)  # fmt: skip
def test_nothing_that_a_browser_would_show_or_run_is_a_manifest(text):
    with pytest.raises(ManifestInvalid, match="is not the type of a manifest"):
        parse_manifest_type(text)


@pytest.mark.parametrize("text", [media_types.DOCKER_SCHEMA1, media_types.DOCKER_SCHEMA1_SIGNED])
def test_dockers_first_schema_is_refused_with_the_cure(text):
    with pytest.raises(ManifestInvalid, match="convert it: skopeo copy --format oci"):
        parse_manifest_type(text)
