# SPDX-License-Identifier: Apache-2.0
"""One runs the jobs, and another takes over."""

import asyncio
import contextlib

import pytest

from estiva.jobs.election import Elected


class Work:
    """Notes who works, until cancelled."""

    def __init__(self):
        self.at_work = []

    def by(self, name):
        async def work():
            self.at_work.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                self.at_work.remove(name)

        return work


@pytest.fixture
def work():
    return Work()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def end(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_one_works_and_another_takes_over(tmp_path, work):
    candidates = {
        name: asyncio.create_task(Elected(tmp_path / "lock", work.by(name), 0.01).run()) for name in ("a", "b", "c")
    }
    for _ in range(3):
        await until(lambda: len(work.at_work) == 1)
        await end(candidates.pop(work.at_work[0]))
    assert work.at_work == []


async def test_a_lock_that_cannot_be_opened_is_tried_again(tmp_path, work):
    lock = tmp_path / "nowhere" / "lock"
    candidate = asyncio.create_task(Elected(lock, work.by("a"), 0.01).run())
    await asyncio.sleep(0)
    assert work.at_work == []
    lock.parent.mkdir()
    await until(lambda: work.at_work == ["a"])
    await end(candidate)
