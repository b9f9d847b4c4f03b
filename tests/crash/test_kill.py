# SPDX-License-Identifier: Apache-2.0
"""An acknowledged push survives kill -9, and nothing half-written shows (invariants 1 to 3)."""

import asyncio
import os
import random

import pytest

from harness.audit import read_abandoned_sqlite, read_postgres
from harness.postgres import postgres_server
from harness.process import ServerProcess

from .rounds import SETTINGS, Run, chosen_seed

pytestmark = pytest.mark.crash

SOME = int(os.environ.get("ESTIVA_TEST_KILLS", "25"))
MANY = int(os.environ.get("ESTIVA_TEST_KILLS_LONG", "200"))


@pytest.fixture
def postgresql(tmp_path):
    place = tmp_path / "postgresql"
    place.mkdir()
    with postgres_server(place) as running:
        yield running


def kills(some):
    """Parametrise by how often to kill: as often as CI has time for, and more often."""
    marks = [pytest.mark.long, pytest.mark.timeout(3600)]
    return pytest.mark.parametrize(
        "count",
        [pytest.param(some, id="some", marks=pytest.mark.timeout(300)), pytest.param(MANY, id="many", marks=marks)],
    )


async def killed(server, read_tables, count, capsys):
    """Kill a server so often, and tell what was done."""
    seed = chosen_seed()
    with capsys.disabled():
        print(f"\n{count} kills with ESTIVA_TEST_SEED={seed}")
    try:
        tally = await Run(server, read_tables, random.Random(seed)).kills(count)
    finally:
        await server.kill9()
    with capsys.disabled():
        print(tally)
    return tally


@kills(SOME)
async def test_after_each_kill_all_that_was_acknowledged_is_there_and_nothing_half_written(tmp_path, count, capsys):
    server = ServerProcess(tmp_path / "data", SETTINGS | {"ESTIVA_WORKERS": "2"})

    async def read_tables():
        return read_abandoned_sqlite(server.data / "estiva.db")

    tally = await killed(server, read_tables, count, capsys)
    assert tally.kills == count
    assert tally.acknowledged > count


@pytest.mark.postgresql
@kills(SOME // 3)
async def test_the_same_holds_on_postgresql(tmp_path, postgresql, count, capsys):
    url = postgresql.new_database()
    server = ServerProcess(tmp_path / "data", SETTINGS | {"ESTIVA_DATABASE": url})

    async def read_tables():
        """Read once the backends have noticed that their client is dead, and ended what it had asked for."""
        async with asyncio.timeout(60):
            while postgresql.connections(url):
                await asyncio.sleep(0.02)
        return await read_postgres(url)

    tally = await killed(server, read_tables, count, capsys)
    assert tally.kills == count
    assert tally.acknowledged > count
