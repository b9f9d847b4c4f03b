# SPDX-License-Identifier: Apache-2.0
"""The official OCI conformance suite finds no fault, and nothing that it skips."""

from pathlib import Path

import pytest

from clients.registries import serving

from .suite import run_suite

pytestmark = pytest.mark.clients
INCOMPLETE_TAKEN = {"ESTIVA_CONTENT_MISSING_BLOBS": "accept", "ESTIVA_CONTENT_MISSING_MANIFESTS": "accept"}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A directory for the registry's data and one for the suite's results."""
    both = tmp_path / "data", tmp_path / "results"
    both[1].mkdir()
    return both


def test_the_suite_passes_whole_where_manifests_may_refer_to_what_is_missing(
    places: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, results = places
    with serving(data, INCOMPLETE_TAKEN) as registry:
        report = run_suite(registry, results, sparse=True)
    with capsys.disabled():
        print(f"\nOCI conformance, sparse manifests included: {report}")
    assert report.clean, report


def test_the_suite_passes_whole_with_the_defaults(
    places: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, results = places
    with serving(data) as registry:
        report = run_suite(registry, results, sparse=False)
    with capsys.disabled():
        print(f"\nOCI conformance, with the defaults: {report}")
    assert report.clean, report
