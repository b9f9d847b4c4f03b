# SPDX-License-Identifier: Apache-2.0
"""Clients from before manifest lists."""

import json

import pytest

from estiva.oci.digests import Digest
from estiva.oci.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from estiva.oci.negotiation import default_image, knows_no_lists

DIGEST = "sha256:" + "a" * 64


def listing(platform):
    return json.dumps({"manifests": [{"digest": DIGEST, "platform": platform}]}).encode()


@pytest.mark.parametrize("stored", [DOCKER_LIST, OCI_INDEX])
def test_a_client_that_names_the_image_alone_knows_no_lists(stored):
    assert knows_no_lists(f"text/html, {DOCKER_MANIFEST};q=0.5", stored)


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", OCI_MANIFEST, f"{DOCKER_MANIFEST}, */*", f"{DOCKER_MANIFEST},{OCI_INDEX}"]
)
def test_any_other_client_gets_what_is_stored(accept):
    assert not knows_no_lists(accept, OCI_INDEX)


def test_an_image_is_never_negotiated():
    assert not knows_no_lists(DOCKER_MANIFEST, DOCKER_MANIFEST)


def test_the_image_for_linux_on_amd64_is_taken():
    assert default_image(listing({"os": "linux", "architecture": "amd64", "variant": "v2"})) == Digest.parse(DIGEST)


@pytest.mark.parametrize("platform", [None, {"os": 1}, [], {"os": "windows", "architecture": "amd64"}])
def test_a_list_without_it_names_none(platform):
    assert default_image(listing(platform)) is None
