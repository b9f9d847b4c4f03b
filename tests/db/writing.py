# SPDX-License-Identifier: Apache-2.0
"""A process that writes to an SQLite file: `writing.py PATH NAME` writes until its input ends.

It prints a line when it is ready, one for each commit, and begins when a line comes in.
"""

import asyncio
import itertools
import sys

from estiva.db import repositories
from estiva.db.opening import open_database


async def write(path: str, name: str) -> None:
    """Write as fast as one caller can."""
    database = await open_database(path)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    for number in itertools.count():
        if ended.done():
            break
        await database.write(repositories.ensure, f"{name}-{number}", 1)
        print(number, flush=True)
    await database.close()


if __name__ == "__main__":
    asyncio.run(write(*sys.argv[1:]))
