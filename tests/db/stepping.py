# SPDX-License-Identifier: Apache-2.0
"""Transactions on real PostgreSQL connections that stop before each statement."""

import asyncio
import contextlib

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_

from estiva.errors import EstivaError

ALL = 10_000  # more statements than any transaction has
DEADLOCK = "40P01"


class Stepped:
    """Runs a db function in a transaction of its own, as many statements at a time as it is allowed to.

    A deadlock is answered as the engine does: by running the function again.
    """

    def __init__(self, database, f, *args) -> None:
        self._database = database
        self._function = (f, args)
        self._permits = asyncio.Semaphore(0)
        self._moved = asyncio.Condition()
        self._commit = asyncio.Event()
        self._pid = 0
        self._started = 0
        self._waiting = False
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        try:
            while True:
                with contextlib.suppress(_Deadlock):
                    return await self._once()
        finally:
            await self._move(waiting=True)

    async def _once(self):
        f, args = self._function
        async with self._database._writing.connect() as conn:
            self._pid = (await conn.exec_driver_sql("SELECT pg_backend_pid()")).scalar()
            event.listen(conn.sync_connection, "before_cursor_execute", self._before_statement)
            try:
                result = await conn.run_sync(f, *args)
            except EstivaError as error:
                await conn.rollback()
                return error
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == DEADLOCK:
                    raise _Deadlock from error
                raise
            if not self._commit.is_set():
                await self._move(waiting=True)
            await self._commit.wait()
            await conn.commit()
            return result

    def _before_statement(self, *_):
        await_(self._wait_for_permit())

    async def _wait_for_permit(self):
        if self._permits.locked():
            await self._move(waiting=True)
        await self._permits.acquire()
        self._started += 1
        await self._move(waiting=False)

    async def _move(self, *, waiting):
        async with self._moved:
            self._waiting = waiting
            self._moved.notify_all()

    @property
    def statements(self):
        """How many have begun."""
        return self._started

    async def step(self, statements):
        """Let so many statements run, or fewer if the function ends before; nothing is committed."""
        self._waiting = self._waiting and not statements
        for _ in range(statements):
            self._permits.release()
        await self._settle()

    async def _settle(self):
        """Return when it waits for a permit or for a lock, or has ended."""
        while not self._waiting and not self._task.done():
            if await self._database.read(self._is_blocked):
                return

    def _is_blocked(self, conn):
        return conn.exec_driver_sql(f"SELECT cardinality(pg_blocking_pids({self._pid})) > 0").scalar()

    async def let_go(self):
        """Let the rest run and commit, unless it comes to wait for a lock."""
        self._commit.set()
        await self.step(ALL)

    async def result(self):
        """Return the result, or the error of our tree, once it is committed."""
        return await self._task


class _Deadlock(Exception):
    """PostgreSQL chose this transaction to make way."""
