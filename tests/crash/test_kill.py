# SPDX-License-Identifier: Apache-2.0
"""An acknowledged push survives kill -9, and nothing half-written shows (invariants 1 to 3)."""

import os
import random

import pytest

from harness.audit import read_abandoned_sqlite
from harness.process import ServerProcess

from .rounds import SETTINGS, Run, chosen_seed

pytestmark = pytest.mark.crash

SOME = int(os.environ.get("ESTIVA_TEST_KILLS", "25"))
MANY = int(os.environ.get("ESTIVA_TEST_KILLS_LONG", "200"))


async def killed(server, read_tables, count, capsys):
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


@pytest.fixture
def server(tmp_path):
    return ServerProcess(tmp_path / "data", SETTINGS)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(SOME, id="some", marks=pytest.mark.timeout(240)),
        pytest.param(MANY, id="many", marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
async def test_after_each_kill_everything_acknowledged_is_there_and_nothing_half_written_shows(server, count, capsys):
    async def read_tables():
        return read_abandoned_sqlite(server.data / "estiva.db")

    tally = await killed(server, read_tables, count, capsys)
    assert tally.kills == count
    assert tally.acknowledged > count
