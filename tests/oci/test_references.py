# SPDX-License-Identifier: Apache-2.0
"""distribution-spec, "Pulling manifests": `<tag-or-digest>` MUST be a tag or a digest and nothing else."""

from hypothesis import given

from estiva.errors import DigestInvalid, TagInvalid
from estiva.oci.digests import Digest
from estiva.oci.references import parse_reference
from estiva.oci.tags import Tag
from oci.strategies import any_text, digests, outcome, tags


@given(tags | digests)
def test_a_reference_is_a_tag_or_a_digest(reference):
    assert parse_reference(str(reference)) == reference


@given(any_text)
def test_every_other_text_is_refused(text):
    assert isinstance(outcome(parse_reference, text), Digest | DigestInvalid if ":" in text else Tag | TagInvalid)
