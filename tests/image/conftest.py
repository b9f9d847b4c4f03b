# SPDX-License-Identifier: Apache-2.0
"""The image, built by each engine on a base that the tests make themselves."""

import itertools
from collections.abc import Iterator

import pytest

from clients.programs import CACHE, PROJECT, Client, missing

from .containers import BASE, ENGINES, Engine, clear

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Each engine, with the base and the image."""
    Client([str(PROJECT / "tests/image/python-root")])()
    base = CACHE / "python.tar"
    if not base.exists():
        missing("there is no root file system with Python: mmdebstrap is not installed")
    root = tmp_path_factory.mktemp(request.param)
    try:
        with ENGINES[request.param](root) as running:
            running.client("import", base, BASE)
            settings = {"ESTIVA_IMAGE_BUILDER": running.name, "ESTIVA_IMAGE_BASE": BASE}
            Client([str(PROJECT / "deploy/build-image")], {**running.client.environment, **settings})()
            yield running
    finally:
        clear(root)


@pytest.fixture
def name() -> str:
    """A name for a container and its volume."""
    return f"registry-{next(_numbers)}"
