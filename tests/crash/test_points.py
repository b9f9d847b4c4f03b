# SPDX-License-Identifier: Apache-2.0
"""Death at a chosen system call: between any two steps of a start, a push, a deletion.

strace kills the server as it enters the call; calls are counted for each thread by itself.
"""

import asyncio
import random

import pytest

from harness.audit import TABLES, read_abandoned_sqlite
from harness.process import ServerProcess
from tests.clients.programs import needed

from .rounds import SETTINGS, Run, chosen_seed, connected

pytestmark = pytest.mark.crash

POINTS = {
    "mkdir": range(1, 12),
    "pwrite64": range(1, 240, 3),
    "fdatasync": range(1, 40),
    "fsync": range(1, 16),
    "pwritev2": range(1, 16),
    "ftruncate": range(1, 6),
    "unlink": range(1, 8),
}
ALL = [(call, when) for call, numbers in POINTS.items() for when in numbers]
SOME = 8
PATIENCE = 15  # seconds after which a server that never comes to its call is killed from outside


def killing(call, when):
    """Return a command under which a server dies at its `when`th call."""
    rule = f"inject={call}:signal=KILL:when={when}"
    return [needed("strace"), "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", rule, "--"]


async def die_at(place, call, when, seed):
    """Let one client work until the server dies; then look at what is left, behind its back and over HTTP."""
    doomed = ServerProcess(place / "data", SETTINGS, wrapper=killing(call, when), logs=place)
    heir = ServerProcess(place / "data", SETTINGS, logs=place)

    async def read_tables():
        return read_what_is_there(doomed, run.ledger.acknowledged)

    run = Run(heir, read_tables, random.Random(seed))
    if await doomed.started_or_ended():
        async with connected(doomed.base) as client:
            await asyncio.wait([asyncio.create_task(run.pushers[0].work(client))], timeout=PATIENCE)
    await doomed.kill9()
    run.ledger.server_died()
    await run.take_stock()
    await heir.start()
    await run.look(complete=True)
    await heir.stop()
    await run.take_stock()
    return run.ledger.acknowledged


def read_what_is_there(server, acknowledged):
    """Read the tables, which need not be there before anything was acknowledged."""
    database = server.data / "estiva.db"
    if acknowledged == 0 and not database.exists():
        return {table: [] for table in TABLES}
    return read_abandoned_sqlite(database, empty_allowed=acknowledged == 0)


def some():
    seed = chosen_seed()
    return [(*point, seed) for point in random.Random(seed).sample(ALL, SOME)]


@pytest.mark.timeout(240)
async def test_a_server_that_dies_at_some_calls_leaves_everything_in_order(tmp_path, capsys):
    for call, when, seed in some():
        with capsys.disabled():
            print(f"\nkilled at call {when} of {call} with ESTIVA_TEST_SEED={seed}: ", end="")
        place = tmp_path / f"{call}-{when}"
        place.mkdir()
        acknowledged = await die_at(place, call, when, seed)
        with capsys.disabled():
            print(f"{acknowledged} acknowledged", end="")


@pytest.mark.long
@pytest.mark.parametrize(("call", "when"), ALL)
async def test_a_server_that_dies_at_any_call_leaves_everything_in_order(tmp_path, call, when):
    await die_at(tmp_path, call, when, seed=when)
