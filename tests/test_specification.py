# SPDX-License-Identifier: Apache-2.0
"""docs/specification.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \| `([^`]+)::([^`]+)` \|$", (ROOT / "docs/specification.md").read_text(), re.MULTILINE
)


def test_every_named_test_exists():
    missing = [
        f"{path}::{name}"
        for _, _, path, name in ROWS
        if not re.search(rf"^\s*(?:async )?def {name}\(", (ROOT / "tests" / path).read_text(), re.MULTILINE)
    ]
    assert ROWS
    assert not missing


def test_every_section_that_binds_registries_is_there():
    sections = {section for section, *_ in ROWS}
    assert {"Pulling manifests", "Pulling blobs", "Single POST", "Listing Tags", "Listing Referrers"} <= sections
