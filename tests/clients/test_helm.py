# SPDX-License-Identifier: Apache-2.0
"""helm: charts pushed, shown and pulled over plain HTTP."""

import re
from pathlib import Path

import pytest

from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients
PLAIN = "--plain-http"


@pytest.fixture(scope="module")
def charts(helm: Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A chart packaged in two versions, the second with a build number."""
    path = tmp_path_factory.mktemp("charts")
    helm("create", "demo", at=path)
    versions = ("0.1.0", "0.2.0+7")
    for version in versions:
        helm("package", "--version", version, "--destination", path, path / "demo")
    return {version: path / f"demo-{version}.tgz" for version in versions}


def pushed(helm: Client, chart: Path, where: str) -> str:
    """Push a chart and return the digest that helm says it has."""
    done = helm.told("push", PLAIN, chart, f"oci://{where}")
    return re.findall(r"Digest: (sha256:[0-9a-f]{64})", done)[0]


def test_a_chart_comes_back_as_it_was(
    helm: Client, registry: Registry, repository: str, charts: dict[str, Path], tmp_path: Path
) -> None:
    digest = pushed(helm, charts["0.1.0"], f"{registry}/{repository}")
    assert registry.digest(f"{repository}/demo", "0.1.0") == digest
    helm("pull", PLAIN, f"oci://{registry}/{repository}/demo", "--version=0.1.0", "--destination", tmp_path)
    assert (tmp_path / "demo-0.1.0.tgz").read_bytes() == charts["0.1.0"].read_bytes()


def test_a_build_number_is_kept_in_the_tag(
    helm: Client, registry: Registry, repository: str, charts: dict[str, Path], tmp_path: Path
) -> None:
    pushed(helm, charts["0.2.0+7"], f"{registry}/{repository}")
    assert registry.tags(f"{repository}/demo") == ["0.2.0_7"]
    helm("pull", PLAIN, f"oci://{registry}/{repository}/demo", "--version=0.2.0+7", "--destination", tmp_path)
    assert (tmp_path / "demo-0.2.0+7.tgz").read_bytes() == charts["0.2.0+7"].read_bytes()


def test_the_newest_version_in_a_range_is_found_among_the_tags(
    helm: Client, registry: Registry, repository: str, charts: dict[str, Path]
) -> None:
    for chart in charts.values():
        pushed(helm, chart, f"{registry}/{repository}")
    chart = f"oci://{registry}/{repository}/demo"
    assert "version: 0.1.0" in helm("show", "chart", PLAIN, chart, "--version=<0.2")
    assert "version: 0.2.0+7" in helm("show", "chart", PLAIN, chart)


def test_a_chart_is_rendered_from_the_registry(
    helm: Client, registry: Registry, repository: str, charts: dict[str, Path]
) -> None:
    digest = pushed(helm, charts["0.1.0"], f"{registry}/{repository}")
    rendered = helm("template", "release", PLAIN, f"oci://{registry}/{repository}/demo@{digest}")
    assert "kind: Deployment" in rendered
