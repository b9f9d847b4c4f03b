# SPDX-License-Identifier: Apache-2.0
"""Request ids."""

import re

from estiva.telemetry.request_ids import new_request_id


def test_an_id_is_sixteen_hex_digits_and_never_the_same():
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch("[0-9a-f]{16}", made) for made in ids)
