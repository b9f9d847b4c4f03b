# SPDX-License-Identifier: Apache-2.0
from collections.abc import AsyncIterator

import pytest

from estiva.config import Settings
from harness.client import Client, connect
from harness.server import Registry, serve


@pytest.fixture
def settings() -> Settings:
    """Override to serve with other settings."""
    return Settings()


@pytest.fixture
async def registry(tmp_path, settings) -> AsyncIterator[Registry]:
    async with serve(tmp_path / "data", settings) as running:
        yield running


@pytest.fixture
async def client(registry) -> AsyncIterator[Client]:
    async for connected in connect(registry.base):
        yield connected
