# SPDX-License-Identifier: Apache-2.0
"""The sweeper: ends abandoned uploads and removes the bytes of what was deleted, every so often."""

import asyncio

import structlog

from estiva.content.expiry import Expiry
from estiva.errors import EstivaError

_log = structlog.get_logger("estiva.jobs")


class Sweeper:
    """Runs until cancelled; a failing sweep is logged and tried again at the next turn."""

    def __init__(self, expiry: Expiry, every: float) -> None:
        self._expiry = expiry
        self._every = every

    async def run(self) -> None:
        """Sweep every `every` seconds, the first time at once."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._every)

    async def sweep(self) -> None:
        """Sweep once."""
        try:
            uploads = await self._expiry.expire_uploads()
            objects = await self._expiry.remove_objects()
        except EstivaError as error:
            _log.warning("sweep_failed", error=error.message)
            return
        except Exception:  # noqa: BLE001 - a fault of ours must not end all sweeps to come
            _log.exception("sweep_failed")
            return
        if uploads or objects:
            _log.info("swept", expired_uploads=uploads, removed_objects=objects)
