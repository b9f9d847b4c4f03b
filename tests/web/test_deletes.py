# SPDX-License-Identifier: Apache-2.0
"""Spec, "Content Management"; and what an unreferenced thing is kept for."""

import asyncio

import pytest

from estiva.config import Settings
from estiva.db import condemn
from estiva.options.content import ContentOptions
from harness.content import OCI_INDEX, Image, blob, digest, index
from harness.objects import object_files

HOUR = 3600


async def test_a_deleted_tag_is_gone_and_its_manifest_stays(client):
    """Spec, "Deleting tags": 202, then 404."""
    image = Image()
    await client.push_image("a", image, "v1")
    assert (await client.delete("/v2/a/manifests/v1")).status == 202
    assert (await client.get("/v2/a/manifests/v1")).status == 404
    assert (await client.get(f"/v2/a/manifests/{image.digest}")).status == 200
    assert (await client.delete("/v2/a/manifests/v1")).code == "MANIFEST_UNKNOWN"


async def test_a_deleted_manifest_takes_its_tags_along(client):
    """Spec, "Deleting Manifests": 202; then the digest and any tag pointing to it are 404."""
    image, other = Image(), Image()
    await client.push_image("a", image, "v1")
    await client.push_image("a", image, "v2")
    await client.push_image("a", other, "v3")
    assert (await client.delete(f"/v2/a/manifests/{image.digest}")).status == 202
    for reference in ("v1", "v2", image.digest):
        assert (await client.get(f"/v2/a/manifests/{reference}")).status == 404
    assert (await client.get("/v2/a/tags/list")).json["tags"] == ["v3"]
    assert (await client.delete(f"/v2/a/manifests/{image.digest}")).status == 404


async def test_a_deleted_blob_is_gone_here_and_only_here(client):
    """Spec, "Deleting Blobs": 202; 404 when it is not found."""
    content = blob()
    for name in ("a", "b"):
        await client.push_blob(name, content)
    assert (await client.delete(f"/v2/a/blobs/{digest(content)}")).status == 202
    assert (await client.get(f"/v2/a/blobs/{digest(content)}")).code == "BLOB_UNKNOWN"
    assert (await client.delete(f"/v2/a/blobs/{digest(content)}")).code == "BLOB_UNKNOWN"
    assert (await client.get(f"/v2/b/blobs/{digest(content)}")).body == content


async def test_deleting_from_a_repository_that_is_not_there_is_404(client):
    """Spec: if the repository does not exist, the response MUST be 404."""
    for path in ("manifests/v1", f"manifests/{digest(b'x')}", f"blobs/{digest(b'x')}"):
        assert (await client.delete(f"/v2/nobody/{path}")).code == "NAME_UNKNOWN"


async def test_what_a_live_manifest_needs_is_not_deleted_and_the_error_says_who_needs_it(client):
    image = Image()
    await client.push_image("a", image, "v1")
    answer = await client.delete(f"/v2/a/blobs/{digest(image.layers[0])}")
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert image.digest in answer.message
    assert "v1" in answer.message
    both = index(image.descriptor)
    await client.put_manifest("a", "both", both, OCI_INDEX)
    answer = await client.delete(f"/v2/a/manifests/{image.digest}")
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert answer.json["errors"][0]["detail"] == {"neededBy": [digest(both)]}
    assert (await client.get("/v2/a/manifests/v1")).status == 200
    assert (await client.delete(f"/v2/a/manifests/{digest(both)}")).status == 202
    assert (await client.delete(f"/v2/a/manifests/{image.digest}")).status == 202
    assert (await client.delete(f"/v2/a/blobs/{digest(image.layers[0])}")).status == 202


async def test_a_subject_may_be_deleted_and_what_refers_to_it_stays_for_now(client):
    subject = Image()
    signature = Image(subject=subject.descriptor)
    await client.push_image("a", subject, "v1")
    await client.push_image("a", signature)
    assert (await client.delete(f"/v2/a/manifests/{subject.digest}")).status == 202
    assert (await client.get(f"/v2/a/manifests/{signature.digest}")).status == 200


async def test_a_deletion_and_a_push_at_once_never_leave_a_broken_image(client):
    for _ in range(20):
        image = Image()
        await client.push_image("a", image)
        path = f"/v2/a/blobs/{digest(image.layers[0])}"
        await client.delete(f"/v2/a/manifests/{image.digest}")
        pushed, deleted = await asyncio.gather(client.put_manifest("a", "v1", image.manifest), client.delete(path))
        assert (pushed.status, deleted.status) in {(201, 405), (400, 202)}
        assert (await client.get(path)).status == (200 if pushed.status == 201 else 404)
        await client.delete(f"/v2/a/manifests/{image.digest}")


class TestSwitchedOff:
    @pytest.fixture
    def settings(self):
        return Settings(content=ContentOptions(delete=False))

    async def test_deleting_is_405_and_cancelling_an_upload_still_works(self, client):
        """Spec: 400 or 405 when disabled; wire rule 29: cancelling needs only the right to push."""
        image = Image()
        await client.push_image("a", image, "v1")
        for path in ("manifests/v1", f"manifests/{image.digest}", f"blobs/{digest(image.config)}"):
            answer = await client.delete(f"/v2/a/{path}")
            assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert (await client.delete(await client.begin("a"))).status == 204


class TestReview:
    """Invariant 4: what nothing refers to is kept for a term, and longer when a pusher asked for it."""

    async def condemned(self, registry, name, content):
        """Whether a condemner would take the blob's link now."""
        now = registry.clock()
        repository_id = (await registry.db.row(_find(), name))[0]
        return await registry.db.write(condemn.condemn_link, repository_id, digest(content), now, now + 1)

    async def test_a_fresh_blob_is_kept_for_a_day(self, client, registry):
        content = blob()
        await client.push_blob("a", content)
        registry.clock.advance(23 * HOUR)
        assert not await self.condemned(registry, "a", content)
        registry.clock.advance(2 * HOUR)
        assert await self.condemned(registry, "a", content)

    async def test_a_blob_that_an_image_needs_is_kept(self, client, registry):
        image = Image()
        await client.push_image("a", image, "v1")
        registry.clock.advance(1000 * HOUR)
        assert not await self.condemned(registry, "a", image.config)

    async def test_asking_with_head_postpones_the_end(self, client, registry):
        content = blob()
        await client.push_blob("a", content)
        registry.clock.advance(20 * HOUR)
        assert (await client.head(f"/v2/a/blobs/{digest(content)}")).status == 200
        registry.clock.advance(20 * HOUR)
        assert not await self.condemned(registry, "a", content)

    async def test_pulling_writes_nothing(self, client, registry):
        content = blob()
        await client.push_blob("a", content)
        registry.clock.advance(20 * HOUR)
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).status == 200
        registry.clock.advance(5 * HOUR)
        assert await self.condemned(registry, "a", content)

    async def test_pushing_again_postpones_the_end(self, client, registry):
        content = blob()
        await client.push_blob("a", content)
        registry.clock.advance(20 * HOUR)
        await client.push_blob("a", content)
        registry.clock.advance(20 * HOUR)
        assert not await self.condemned(registry, "a", content)

    async def test_the_bytes_of_a_condemned_blob_go_later_than_its_row(self, client, registry):
        content = blob()
        await client.push_blob("a", content)
        registry.clock.advance(25 * HOUR)
        assert await self.condemned(registry, "a", content)
        registry.clock.advance(25 * HOUR)
        now = registry.clock()
        assert await registry.db.write(condemn.condemn_blob, digest(content), now, now + HOUR * 1000)
        await registry.sweeper.sweep()
        assert _files(registry)
        registry.clock.advance(2 * HOUR)
        await registry.sweeper.sweep()
        assert not _files(registry)
        await client.push_blob("a", content)
        assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content


def _files(registry):
    return object_files(registry.data)


def _find():
    from estiva.db import repositories

    return repositories.FIND
