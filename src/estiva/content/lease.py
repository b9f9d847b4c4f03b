# SPDX-License-Identifier: Apache-2.0
"""The right to write to one upload, held by one request at a time on whichever process.

1. A request takes the lease with a token of its own; every later statement names the token, so that a request that
   has lost the lease changes nothing any more.
2. The holder renews it while it works; when its process dies, its supervisor has it freed, or it runs out.
"""

import asyncio
import contextlib
import uuid
from types import TracebackType
from typing import Self

from estiva.content.terms import Terms
from estiva.db import uploads
from estiva.db.engine import Database
from estiva.errors import EstivaError, UploadOutOfOrder

DURATION = 30_000  # milliseconds: how long a dead process blocks its uploads
RENEW_EVERY = 10.0  # seconds: two renewals may fail before the lease runs out


class Lease:
    """Renews the lease of `session` until the block ends; frees it then unless the transaction at the end did."""

    def __init__(self, db: Database, terms: Terms, session: str, token: str, taken_at: int) -> None:
        self._db = db
        self._terms = terms
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._renewed_at = taken_at  # the time from which it runs, however long the database took to write it down
        self.token = token
        self.freed = False

    @staticmethod
    def new_token(terms: Terms) -> str:
        """Return a token that was never used; it names its holder (`db.uploads.clear_leases_of`)."""
        return f"{terms.holder}:{uuid.uuid4().hex}"

    async def __aenter__(self) -> Self:
        # Most requests end long before the first renewal, so there is no task for it until then.
        self._timer = self._loop.call_later(RENEW_EVERY, self._begin)
        return self

    def _begin(self) -> None:
        self._renewing = self._loop.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            with contextlib.suppress(EstivaError):  # the next one may succeed, in time
                if not await self._try_to_renew():
                    return
            await asyncio.sleep(RENEW_EVERY)

    async def _try_to_renew(self) -> bool:
        now = self._terms.now()
        kept = await self._db.note(uploads.renew, self._session, self.token, now + DURATION)
        if kept:
            self._renewed_at = now
        return kept

    async def ensure(self, offset: int) -> None:
        """Make sure that the lease is still held, before bytes are written that nobody else may have touched.

        Raises UploadOutOfOrder, which tells that the upload stands at `offset`.
        """
        if self._terms.now() - self._renewed_at > DURATION / 2 and not await self._try_to_renew():
            raise UploadOutOfOrder("another client has taken over this upload", offset=offset)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timer is not None
        self._timer.cancel()
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._renewing
        if not self.freed:
            # If this fails, the lease runs out by itself.
            with contextlib.suppress(Exception):
                await self._db.note(uploads.release, self._session, self.token)
