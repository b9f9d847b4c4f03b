# SPDX-License-Identifier: Apache-2.0
"""Every test runs on a server that reads uploads past aiohttp, and on one that does not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from estiva.config import Settings
from estiva.options.limits import LimitOptions
from harness.client import Client, connect
from harness.raw import Wire, wire
from harness.server import Registry, serve
from harness.switches import VARIABLE


@pytest.fixture(params=[True, False], ids=["direct", "ordinary"])
def direct(request, monkeypatch) -> bool:
    monkeypatch.delenv(VARIABLE, raising=False)  # both are needed, whatever the rest of the suite is run without
    return request.param


@pytest.fixture
def limits() -> dict[str, Any]:
    """Override to serve with other limits."""
    return {}


@pytest.fixture
def settings(direct, limits) -> Settings:
    return Settings(limits=LimitOptions(**limits, direct_uploads=direct))


@pytest.fixture
async def registry(tmp_path, settings) -> AsyncIterator[Registry]:
    async with serve(tmp_path / "data", settings) as running:
        yield running


@pytest.fixture
async def client(registry) -> AsyncIterator[Client]:
    async for connected in connect(registry.base):
        yield connected


@pytest.fixture
async def connection(registry) -> AsyncIterator[Wire]:
    async with wire(registry.port) as connected:
        yield connected
