# SPDX-License-Identifier: Apache-2.0
"""Request ids."""

import re

from estiva.telemetry.request_ids import RequestIds


def test_an_id_is_sixteen_hex_digits_and_never_the_same():
    made_by = RequestIds()
    ids = {made_by.new() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch("[0-9a-f]{16}", made) for made in ids)
