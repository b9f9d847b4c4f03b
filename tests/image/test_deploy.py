# SPDX-License-Identifier: Apache-2.0
"""The examples under deploy/: the program that each is meant for reads it, and it names no setting that is not one."""

import re
from pathlib import Path

import pytest

from clients.programs import PROJECT, Client, needed
from estiva.config import describe_settings, load_settings, require_open

pytestmark = pytest.mark.clients

DEPLOY = PROJECT / "deploy"
EXAMPLES = ("compose.yaml", "estiva.service", "kubernetes.yaml")
# In a mapping (compose), an assignment (systemd) and a list of names and values (Kubernetes).
SETTING = re.compile(r"(ESTIVA_[A-Z_]+)(?:: |=|, value: )([^\s},]+)")
SHOWN_EXPOSURE = 1.5  # systemd's own scale: 0 is shut in, 10 is free


def code(example: str) -> str:
    """Return an example without its comments."""
    return re.sub(r"(?m)(^|\s)#.*$", "", (DEPLOY / example).read_text())


def settings_of(example: str) -> dict[str, str]:
    return {name: text.replace("%S", "/var/lib") for name, text in SETTING.findall(code(example))}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_setting_that_an_example_names_is_one(example: str) -> None:
    named = set(re.findall(r"ESTIVA_[A-Z_]+", (DEPLOY / example).read_text()))
    assert named <= {setting.variable for setting in describe_settings()}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_s_settings_are_valid(example: str) -> None:
    load_settings(None, settings_of(example), {})


@pytest.mark.parametrize("example", ["compose.yaml", "kubernetes.yaml"])
def test_a_container_is_told_who_may_push(example: str) -> None:
    require_open(load_settings(None, settings_of(example) | {"ESTIVA_HOST": "0.0.0.0"}, {}))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_waits_longer_than_the_server_does_when_it_stops(example: str) -> None:
    (grace,) = re.findall(
        r"(?:stop_grace_period: |TimeoutStopSec=|terminationGracePeriodSeconds: )(\d+)", code(example)
    )
    assert int(grace) > load_settings(None, {}, {}).limits.drain_timeout


def test_compose_reads_the_compose_file() -> None:
    assert Client([needed("buildx")])("bake", "--print", "--file", DEPLOY / "compose.yaml")


def test_the_kubernetes_objects_are_sound_yaml(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/estiva.yaml").write_text((DEPLOY / "kubernetes.yaml").read_text())
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: estiva, version: 0.1.0}")
    rendered = Client([needed("helm")])("template", tmp_path)
    kinds = re.findall(r"^kind: (\w+)", rendered, flags=re.MULTILINE)
    assert kinds == ["PersistentVolumeClaim", "Service", "Deployment"]


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "estiva.service"
    unit.write_text((DEPLOY / "estiva.service").read_text().replace("/opt/estiva/bin/estiva", "/bin/true"))
    assert Client([needed("systemd-analyze")]).told("verify", unit) == ""


def test_systemd_calls_the_unit_well_shut_in() -> None:
    told = Client([needed("systemd-analyze")])("security", "--offline=true", DEPLOY / "estiva.service")
    (exposure,) = re.findall(r"exposure level for estiva.service: ([\d.]+)", told)
    assert float(exposure) <= SHOWN_EXPOSURE
