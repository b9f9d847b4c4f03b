# SPDX-License-Identifier: Apache-2.0
"""The locks in requirements/ hold what pyproject.toml asks for, and name no place to fetch it from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[1]
STATED = tomllib.loads((PROJECT / "pyproject.toml").read_text())
RUNTIME = STATED["project"]["dependencies"]
POSTGRESQL = STATED["project"]["optional-dependencies"]["postgresql"]
DEVELOPMENT = STATED["dependency-groups"]["dev"]
BUILD = STATED["build-system"]["requires"]
LOCKS = {
    "runtime.txt": RUNTIME,
    "build.txt": BUILD,
    "image.txt": RUNTIME + POSTGRESQL,
    "dev.txt": RUNTIME + POSTGRESQL + DEVELOPMENT + BUILD,
}


def locked(name: str) -> dict[str, str]:
    """Return the version of each package in a lock."""
    text = (PROJECT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^\]]*\])?==(\S+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize(("name", "asked"), LOCKS.items(), ids=LOCKS)
def test_a_lock_holds_what_is_asked_for(name: str, asked: list[str]) -> None:
    pins = locked(name)
    wanted = [Requirement(line) for line in asked]
    assert [one.name for one in wanted if one.name not in pins] == []
    assert [str(one) for one in wanted if not one.specifier.contains(pins[one.name])] == []


@pytest.mark.parametrize("name", ["image.txt", "dev.txt"])
def test_all_locks_agree_on_what_the_server_runs_on(name: str) -> None:
    assert locked("runtime.txt").items() <= locked(name).items()


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_locked_by_hash_and_from_no_named_place(name: str) -> None:
    text = (PROJECT / "requirements" / name).read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"\w+://|--(?:extra-)?index-url|--find-links", text) == []
