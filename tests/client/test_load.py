# SPDX-License-Identifier: Apache-2.0
"""A process that loads ends quietly when nobody leads it any more."""

import asyncio
import subprocess
import sys

import pytest

from .fake import answering, reply

SCRIPT = """
import sys
from multiprocessing import Pipe
from estiva.client.address import Address
from estiva.client.load import GO, Order, Phase, obey

ours, theirs = Pipe()
if sys.argv[2] == "led":
    ours.send(GO)
ours.close()
address = Address.parse(f"http://127.0.0.1:{sys.argv[1]}")
common = {"address": address, "repository": "a", "credentials": None, "connections": 2, "seconds": 60}
obey(Order(phase=Phase.PULL, size=2, path="/v2/a/blobs/b", **common), theirs)
"""


@pytest.mark.parametrize("leader", ["led", "alone"])
async def test_a_process_without_a_leader_ends_and_says_nothing(leader):
    async with answering(lambda *_: reply(200, b"{}")) as port:
        arguments = [sys.executable, "-X", "dev", "-c", SCRIPT, str(port), leader]
        done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
