# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/ that list what the code declares."""

import re
import runpy
from pathlib import Path

import pytest

from estiva.config import describe_settings
from estiva.telemetry.metrics import Metrics

PROJECT = Path(__file__).parents[2]
PAGES = runpy.run_path(str(PROJECT / "scripts" / "write_docs.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_code_declares(name):
    """`python scripts/write_docs.py` writes it anew."""
    assert (PROJECT / "docs" / name).read_text("utf-8") == PAGES[name]()


def test_every_setting_is_documented_with_its_variable():
    page = (PROJECT / "docs" / "settings.md").read_text("utf-8")
    assert [
        setting.key for setting in describe_settings() if f"| `{setting.key}` | `{setting.variable}` |" not in page
    ] == []


def test_every_metric_that_the_server_shows_is_documented_and_no_other():
    page = (PROJECT / "docs" / "metrics.md").read_text("utf-8")
    metrics = Metrics()
    metrics.observe_space(1, 1)
    body = metrics.render()[0].decode()
    assert set(re.findall(r"`((?:estiva|process)_\w+[a-z])`", page)) == set(re.findall(r"(?m)^# TYPE (\w+)", body))
