# SPDX-License-Identifier: Apache-2.0
"""References: what stands after `/manifests/`."""

from estiva.oci.digests import Digest
from estiva.oci.tags import Tag


def parse_reference(text: str) -> Tag | Digest:
    """Parse a tag or a digest, which no text can both be: only a digest has a colon.

    Raises TagInvalid, DigestInvalid. A digest may be of an algorithm that is not supported: nothing has it then.
    """
    return Digest.parse(text) if ":" in text else Tag.parse(text)
