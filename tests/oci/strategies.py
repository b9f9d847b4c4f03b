# SPDX-License-Identifier: Apache-2.0
"""Values of the protocol, and text of every kind that is none.

The regular expressions are those of the specifications, letter by letter, so that the code's own are held against them.
"""

from hypothesis import strategies as st

from estiva.errors import ClientError
from estiva.oci.digests import Algorithm, Digest
from estiva.oci.names import RepositoryName
from estiva.oci.tags import Tag

# distribution-spec, "Pulling manifests"
NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
# image-spec, "Digests"
DIGEST = r"[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+"

MARKERS = ["blobs", "manifests", "tags", "list", "uploads", "referrers", "library", "v2"]

_COMPONENT = r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,3}"  # short, since long ones only cost time
_components = st.lists(st.from_regex(_COMPONENT, fullmatch=True), min_size=1, max_size=4).map("/".join)
_words = st.lists(st.sampled_from(MARKERS), min_size=1, max_size=6).map("/".join)
name_texts = _components | _words
tag_texts = st.from_regex(TAG, fullmatch=True) | st.sampled_from(MARKERS)
supported_digest_texts = st.builds(
    lambda data, algorithm: str(Digest.of(data, algorithm)), st.binary(max_size=8), st.sampled_from(Algorithm)
)
other_digest_texts = st.from_regex(DIGEST, fullmatch=True).filter(
    lambda text: len(text) <= 512 and text.partition(":")[0] not in {"sha256", "sha512", "blake3"}
)
digest_texts = supported_digest_texts | other_digest_texts

names = name_texts.map(RepositoryName.parse)
tags = tag_texts.map(Tag.parse)
digests = digest_texts.map(Digest.parse)
sessions = st.uuids().map(str)

# What a client may send in a header or a path: any characters, lone surrogates among them.
any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=300)


def outcome(function, *arguments):
    """Return what the function returns, or the error of the tree that it raises; any other exception passes."""
    try:
        return function(*arguments)
    except ClientError as error:
        return error
