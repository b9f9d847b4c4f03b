# SPDX-License-Identifier: Apache-2.0
"""An acknowledged push survives a power cut (invariant 2)."""

import os
import random

import pytest

from harness.audit import read_abandoned_sqlite
from harness.process import ServerProcess

from .power import disk
from .rounds import SETTINGS, Run, chosen_seed

pytestmark = pytest.mark.crash

SOME = int(os.environ.get("ESTIVA_TEST_POWER_CUTS", "8"))
MANY = 100


@pytest.fixture
def mounted(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    with disk(place) as made:
        yield made


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(SOME, id="some", marks=pytest.mark.timeout(240)),
        pytest.param(MANY, id="many", marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
async def test_after_each_power_cut_everything_acknowledged_is_there(tmp_path, mounted, count, capsys):
    server = ServerProcess(mounted.place / "data", SETTINGS, logs=tmp_path / "logs")

    async def read_tables():
        return read_abandoned_sqlite(server.data / "estiva.db")

    seed = chosen_seed()
    with capsys.disabled():
        print(f"\n{count} power cuts with ESTIVA_TEST_SEED={seed}")
    run = Run(server, read_tables, random.Random(seed), lose_power=mounted.lose_power)
    try:
        tally = await run.kills(count)
    finally:
        await server.kill9()
    with capsys.disabled():
        print(tally)
    assert tally.acknowledged > count
