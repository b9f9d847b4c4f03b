# SPDX-License-Identifier: Apache-2.0
"""distribution-spec, "Listing Referrers"."""

import json
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from estiva.oci.manifests import ManifestKind, parse_manifest
from estiva.oci.media_types import OCI_INDEX, OCI_MANIFEST
from estiva.oci.referrers import render_index
from oci.strategies import digest_texts

A = "a" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A referrer as a database has it."""

    media_type: str
    digest: str
    size: int
    artifact_type: str | None
    annotations: str


annotations = st.dictionaries(st.text(), st.text(), max_size=3)
referrers = st.builds(
    Stored,
    media_type=st.sampled_from([OCI_MANIFEST, OCI_INDEX]),
    digest=digest_texts,
    size=st.integers(0, 2**63 - 1),
    artifact_type=st.none() | st.text(min_size=1),
    annotations=annotations.map(json.dumps),
)


def shown(referrer):
    """Return the descriptor that the specification asks for."""
    fields = {
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.size,
        "artifactType": referrer.artifact_type,
        "annotations": json.loads(referrer.annotations) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


@given(st.lists(referrers, max_size=5))
def test_the_body_must_be_an_image_index_with_a_list_of_descriptors(listed):
    index = json.loads(render_index(listed))
    assert index == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [shown(referrer) for referrer in listed]}


@given(st.lists(referrers, max_size=5))
def test_the_list_is_a_manifest_that_this_registry_would_take(listed):
    manifest = parse_manifest(render_index(listed), OCI_INDEX)
    assert manifest.kind is ManifestKind.INDEX
    assert [reference.digest for reference in manifest.references] == list(dict.fromkeys(r.digest for r in listed))


def test_an_empty_manifest_list_must_be_returned_for_no_referrers():
    assert json.loads(render_index([]))["manifests"] == []


def test_the_artifact_type_must_be_omitted_where_there_is_none():
    referrer = Stored(media_type=OCI_INDEX, digest="x:y", size=1, artifact_type="", annotations="{}")
    assert json.loads(render_index([referrer]))["manifests"] == [{"mediaType": OCI_INDEX, "digest": "x:y", "size": 1}]
