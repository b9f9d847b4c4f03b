# SPDX-License-Identifier: Apache-2.0
"""Two servers that differ in one thing: the second has no lane."""

from collections.abc import AsyncIterator

import pytest

from estiva.config import Settings
from estiva.options.limits import LimitOptions
from harness.alike import Pair
from harness.client import Client, connect
from harness.content import OCI_MANIFEST, Image, blob
from harness.server import Registry, serve
from harness.switches import VARIABLE

SHORT = {"head_timeout": 0.3, "stall_timeout": 0.3, "keepalive": 0.3}


@pytest.fixture(autouse=True)
def whole(monkeypatch):
    """These tests need both, whatever the rest of the suite is run without."""
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
async def registry(tmp_path) -> AsyncIterator[Registry]:
    async with serve(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def client(registry) -> AsyncIterator[Client]:
    async for connected in connect(registry.base):
        yield connected


@pytest.fixture
async def pair(tmp_path) -> AsyncIterator[Pair]:
    image, content = Image(), blob(5000)
    async with (
        serve(tmp_path / "fast", Settings(limits=LimitOptions(**SHORT))) as fast,
        serve(tmp_path / "plain", Settings(limits=LimitOptions(**SHORT, lane=False))) as plain,
    ):
        for registry in (fast, plain):
            async for client in connect(registry.base):
                await client.push_image("team/app", image, "v1")
                pushed = await client.push_blob("team/app", content)
                await client.put_manifest("team/app", "odd", image.manifest, OCI_MANIFEST)
        yield Pair(fast, plain, image, pushed)
