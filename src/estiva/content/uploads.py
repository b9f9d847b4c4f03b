# SPDX-License-Identifier: Apache-2.0
"""Upload sessions: from the first byte to a blob.

1. A session is a row; any process takes its next request. Only the bytes and the digest so far are worth keeping.
2. Bytes are settled before the row says that they are there (invariant 2); the row goes forward only.
3. A digest that this process has running in memory saves reading the bytes back. It is trusted only if it stands
   exactly where the row stands; otherwise the digest is computed from what the store holds.
4. Bytes that came before a body broke off are kept: the client may go on from there. A blob comes to be only by a
   clean end and a matching digest (invariant 12).
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from estiva.blobstore import BlobStore, ObjectBusy, holds, new_key
from estiva.content.commit import commit_idle, commit_known, commit_new, drop_held, find_session, open_session
from estiva.content.lease import Lease
from estiva.content.receiving import Arriving, Receiver, RunningDigest
from estiva.content.terms import Terms
from estiva.db import uploads
from estiva.db.engine import Database
from estiva.db.uploads import Upload
from estiva.errors import DigestInvalid, EstivaError, UploadOutOfOrder
from estiva.oci.digests import Algorithm, Digest
from estiva.oci.uploads import check_received, plan_chunk

RUNNING_DIGESTS = 1024  # sessions between two requests whose digest is kept in memory; some hundred bytes each


@dataclass(slots=True)
class _Held:
    """A session under lease, as this request moves it on."""

    upload: Upload
    lease: Lease
    running: RunningDigest | None


class Uploads:
    """Serves the upload endpoints."""

    def __init__(self, db: Database, store: BlobStore, pool: Executor, terms: Terms) -> None:
        self._db = db
        self._store = store
        self._pool = pool
        self._terms = terms
        self._running: OrderedDict[str, RunningDigest] = OrderedDict()

    async def begin(self, repository_id: int, algorithm: Algorithm) -> str:
        """Open a session and return its id."""
        upload = Upload(
            id=str(uuid.uuid4()),
            repository_id=repository_id,
            key=new_key(),
            algorithm=algorithm,
            size=0,
            hashed=RunningDigest(algorithm).encoded(),
            lease=None,
            lease_until=None,
            started_at=self._terms.now(),
            expires_at=self._terms.upload_expires_at(),
        )
        await self._db.note(uploads.insert, upload)
        return upload.id

    async def progress(self, repository_id: int, session: str) -> int:
        """Return how many bytes of the session are kept. Raises UploadUnknown."""
        return await self._db.read(find_session, repository_id, session, self._terms.now())

    async def append(self, repository_id: int, session: str, arriving: Arriving) -> int:
        """Add a chunk and return how many bytes are kept now."""
        async with self._hold(repository_id, session) as held:
            await self._receive(held, arriving)
            await self._record(held)
            return held.upload.size

    async def finish(self, repository_id: int, session: str, digest: Digest, arriving: Arriving) -> None:
        """Add the last chunk, if there is one, and turn the session into the blob `digest`.

        A digest that does not match ends the session, since its bytes are not those that the client means.
        """
        plain = arriving.length == 0 and arriving.content_range is None
        if plain and await self._finish_idle(repository_id, session, digest):
            return
        async with self._hold(repository_id, session, Algorithm(digest.algorithm)) as held:
            await self._receive(held, arriving)
            await self._commit(held, digest)

    async def _finish_idle(self, repository_id: int, session: str, digest: Digest) -> bool:
        """Make the blob of a session that has all its bytes and their digest, in one transaction and without a lease.

        False, and nothing has happened, when it is not as simple as that.
        """
        row = await self._db.row(uploads.OF_SESSION, repository_id, session)
        upload = None if row is None else Upload(**dict(zip(Upload.__slots__, row, strict=True)))
        if upload is None or upload.lease is not None or str(digest) != upload.digest:
            return False
        # Nothing is cut here: without a lease, what is beyond could be what another request has added by now.
        glance = self._store.glance(upload.key, 0)
        stored = await self._store.size(upload.key) if glance is None else glance.size
        if stored != upload.size:
            return False
        if not await self._db.write(commit_idle, upload, str(digest), self._terms.moment()):
            return False
        self._running.pop(session, None)
        return True

    async def store_whole(self, repository_id: int, digest: Digest, arriving: Arriving) -> None:
        """Store the blob `digest` from one request; a failure leaves no session, since the client knows of none."""
        session = await self.begin(repository_id, Algorithm(digest.algorithm))
        async with self._hold(repository_id, session) as held:
            try:
                await self._receive(held, arriving, keep=False)
                await self._commit(held, digest)
            except EstivaError:
                await self._drop(held)
                raise

    async def cancel(self, repository_id: int, session: str) -> None:
        """End the session; its bytes go. Raises UploadUnknown, and UploadOutOfOrder while it is being written."""
        async with self._hold(repository_id, session) as held:
            await self._drop(held)

    @asynccontextmanager
    async def _hold(self, repository_id: int, session: str, wanted: Algorithm | None = None) -> AsyncIterator[_Held]:
        token, now = Lease.new_token(self._terms), self._terms.now()
        upload = await self._db.note(open_session, repository_id, session, token, now)
        running = self._running.pop(session, None)
        if upload.size == 0:
            running = RunningDigest(wanted or Algorithm(upload.algorithm))
        elif running is not None and running.size != upload.size:
            running = None
        async with Lease(self._db, self._terms, session, token, now) as lease:
            yield _Held(upload=upload, lease=lease, running=running)

    async def _receive(self, held: _Held, arriving: Arriving, *, keep: bool = True) -> None:
        """Take the body; `keep` what came of one that breaks off."""
        announced = plan_chunk(held.upload.size, arriving.content_range, arriving.length)
        if announced == 0:
            return
        receiver = await self._open_receiver(held)
        try:
            await receiver.take(arriving.body)
            check_received(announced, receiver.received)
        except EstivaError:
            if keep and (announced is None or receiver.received <= announced):
                await self._keep(held, receiver)
            raise
        else:
            await self._settle(held, receiver)
        finally:
            receiver.close()

    async def _open_receiver(self, held: _Held) -> Receiver:
        try:
            writer = await self._store.writer(held.upload.key, held.upload.size)
        except ObjectBusy as error:
            raise UploadOutOfOrder(error.message, offset=held.upload.size) from error
        try:
            await held.lease.ensure(held.upload.size)
        except BaseException:
            writer.close()
            raise
        return Receiver(writer, held.running, self._pool)

    async def _settle(self, held: _Held, receiver: Receiver) -> None:
        if receiver.received:
            await receiver.settle()
            # The row's digest no longer covers the bytes; `held.running`, if there is one, does.
            held.upload = replace(held.upload, size=held.upload.size + receiver.received, hashed=None)

    async def _keep(self, held: _Held, receiver: Receiver) -> None:
        """Keep what came before the error that is under way; if even that fails, that error stands alone."""
        try:
            await self._settle(held, receiver)
            await self._record(held)
        except EstivaError:
            return

    async def _record(self, held: _Held) -> None:
        """Write down how far the session is, which frees it for the next request."""
        upload, running = held.upload, held.running
        if running is not None and running.size != upload.size:
            running = None
        hashed = upload.hashed
        if running is not None and running.algorithm == upload.algorithm:
            hashed = running.encoded()
        expires_at = self._terms.upload_expires_at()
        token = held.lease.token
        if not await self._db.note(
            uploads.progress, upload.id, token, upload.size, hashed=hashed, expires_at=expires_at
        ):
            raise UploadOutOfOrder("another client has taken over this upload", offset=upload.size)
        held.lease.freed = True
        if running is not None:
            self._running[upload.id] = running
            while len(self._running) > RUNNING_DIGESTS:
                self._running.popitem(last=False)

    async def _commit(self, held: _Held, digest: Digest) -> None:
        encoded = await self._digest_of(held, Algorithm(digest.algorithm))
        if encoded != digest.encoded:
            size = held.upload.size
            await self._drop(held)
            raise DigestInvalid(
                f"the {size} bytes received have the digest {digest.algorithm}:{encoded}, not {digest}; "
                "the upload is discarded, begin it again",
                detail={"digest": str(digest), "received": f"{digest.algorithm}:{encoded}"},
            )
        await held.lease.ensure(held.upload.size)
        await self._store.finish(held.upload.key, held.upload.size)
        token, moment = held.lease.token, self._terms.moment()
        known = await self._db.write(commit_new, held.upload, token, str(digest), moment)
        if known is not None:
            damaged = None if await holds(self._store, known, held.upload.size) else known
            await self._db.write(commit_known, held.upload, token, str(digest), moment, damaged=damaged)
        held.lease.freed = True

    async def _digest_of(self, held: _Held, algorithm: Algorithm) -> str:
        upload, running = held.upload, held.running
        if running is not None and running.algorithm == algorithm and running.size == upload.size:
            return running.encoded()
        if upload.hashed is not None and upload.algorithm == algorithm:
            return upload.hashed
        return await self._read_back(upload, algorithm)

    async def _read_back(self, upload: Upload, algorithm: Algorithm) -> str:
        running = RunningDigest(algorithm)
        if upload.size:
            reader = await self._store.reader(upload.key)
            try:
                async for chunk in reader.chunks(0, upload.size):
                    await asyncio.get_running_loop().run_in_executor(self._pool, running.update, [chunk])
            finally:
                reader.close()
        return running.encoded()

    async def _drop(self, held: _Held) -> None:
        await self._db.write(drop_held, held.upload.id, held.lease.token, self._terms.now())
        held.lease.freed = True
