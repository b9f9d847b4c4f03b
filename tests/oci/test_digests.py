# SPDX-License-Identifier: Apache-2.0
"""image-spec, "Digests"."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.errors import DigestInvalid
from estiva.oci.digests import Algorithm, Digest
from oci.strategies import DIGEST, any_text, digest_texts, other_digest_texts

HEX256 = "a" * 64


@given(digest_texts)
def test_a_digest_must_match_the_grammar_of_digests(text):
    digest = Digest.parse(text)
    assert str(digest) == f"{digest.algorithm}:{digest.encoded}" == text


@given((any_text | st.text("aA0:+-_.= \n", max_size=10)).filter(lambda text: not re.fullmatch(DIGEST, text, re.ASCII)))
def test_every_other_text_is_refused(text):
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


@given(st.binary(), st.sampled_from(Algorithm))
def test_the_digest_of_content_is_that_of_hashlib(data, algorithm):
    digest = Digest.of(data, algorithm)
    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    assert Digest.parse_supported(str(digest)) == digest


@given(st.binary())
def test_sha256_is_what_content_is_known_by(data):
    assert Digest.of(data) == Digest.of(data, Algorithm.SHA256)


@pytest.mark.parametrize(
    "text",
    [
        f"sha256:{HEX256[1:]}",
        f"sha256:{HEX256}a",
        f"sha256:{HEX256[1:]}A",
        f"sha256:{HEX256[1:]}g",
        f"sha512:{HEX256}",
        f"sha512:{HEX256}{HEX256[1:]}F",
        f"blake3:{HEX256}{HEX256}",
    ],
)
def test_a_registered_algorithm_must_have_so_many_lower_case_hexadecimal_digits(text):
    """image-spec, "SHA-256", "SHA-512" and "BLAKE3"."""
    with pytest.raises(DigestInvalid, match="the encoded part of"):
        Digest.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
        "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
        "blake3:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
    ],
)
def test_unrecognised_algorithms_pass_but_content_cannot_be_stored_under_them(text):
    """image-spec, "Digests": implementations SHOULD allow digests with unrecognized algorithms."""
    assert not Digest.parse(text).supported
    with pytest.raises(DigestInvalid, match="use one of: sha256, sha512"):
        Digest.parse_supported(text)


@given(other_digest_texts)
def test_only_sha256_and_sha512_are_supported(text):
    with pytest.raises(DigestInvalid):
        Digest.parse_supported(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256:",
        ":abc",
        "sha256",
        "SHA256:" + HEX256,
        "a++b:c",
        "+a:b",
        "a+:b",
        "a:b:c",
        "a:b/c",
        "a b:c",
        f"sha256:{HEX256}\n",
    ],
)
def test_what_is_near_a_digest_is_refused(text):
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


def test_a_digest_is_short_enough_for_a_header_and_a_key():
    assert Digest.parse("x:" + "a" * 510)
    with pytest.raises(DigestInvalid):
        Digest.parse("x:" + "a" * 511)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_hasher_begins_empty(algorithm):
    assert algorithm.hasher().hexdigest() == Digest.of(b"", algorithm).encoded
