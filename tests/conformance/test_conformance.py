# SPDX-License-Identifier: Apache-2.0
"""The official OCI conformance suite finds no fault, and nothing that it skips."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from clients.registries import serving
from harness.postgres import postgres_server

from .suite import Report, run_suite

pytestmark = pytest.mark.clients
INCOMPLETE_TAKEN = {"ESTIVA_CONTENT_MISSING_BLOBS": "accept", "ESTIVA_CONTENT_MISSING_MANIFESTS": "accept"}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A directory for the registry's data and one for the suite's results."""
    both = tmp_path / "data", tmp_path / "results"
    both[1].mkdir()
    return both


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of an empty database of a PostgreSQL server."""
    with TemporaryDirectory() as base, postgres_server(Path(base)) as server:
        yield server.new_database()


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[str, Report], None]:
    """Prints the figures of a run, whether it passes or not."""

    def tell(run: str, report: Report) -> None:
        with capsys.disabled():
            print(f"\nOCI conformance, {run}: {report}")

    return tell


def test_the_suite_passes_whole_where_manifests_may_refer_to_what_is_missing(
    places: tuple[Path, Path], told: Callable[[str, Report], None]
) -> None:
    data, results = places
    with serving(data, INCOMPLETE_TAKEN) as registry:
        report = run_suite(registry, results, sparse=True)
    told("sparse manifests included", report)
    assert report.clean, report


def test_the_suite_passes_whole_with_the_defaults(
    places: tuple[Path, Path], told: Callable[[str, Report], None]
) -> None:
    data, results = places
    with serving(data) as registry:
        report = run_suite(registry, results, sparse=False)
    told("with the defaults", report)
    assert report.clean, report


def test_the_suite_passes_whole_on_postgresql(
    places: tuple[Path, Path], told: Callable[[str, Report], None], database: str
) -> None:
    data, results = places
    with serving(data, {"ESTIVA_DATABASE": database} | INCOMPLETE_TAKEN) as registry:
        report = run_suite(registry, results, sparse=True)
    told("on PostgreSQL", report)
    assert report.clean, report
