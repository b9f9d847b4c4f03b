# SPDX-License-Identifier: Apache-2.0
"""What counts as a pull, and what as bytes sent, on both databases."""

from estiva.db.schema import manifest_statistics, repository_statistics, tag_statistics
from harness.content import Image, digest


async def counts(registry, table):
    """Return what has been counted: of each row all but the repository."""
    assert await registry.statistics.flush()
    return await registry.db.read(lambda conn: [tuple(row)[1:] for row in conn.execute(table.select())])


async def test_a_get_of_a_manifest_is_a_pull_by_its_tag_or_its_digest(registry, client):
    image = Image()
    await client.push_image("a", image, "v1")
    for reference in ("v1", "v1", image.digest):
        assert (await client.get(f"/v2/a/manifests/{reference}")).status == 200
    now = registry.clock()
    assert await counts(registry, tag_statistics) == [("v1", 2, now)]
    assert await counts(registry, manifest_statistics) == [(image.digest, 3, now)]
    assert await counts(registry, repository_statistics) == [(3, 3 * len(image.manifest), now)]


async def test_a_head_and_what_is_not_there_and_a_push_are_no_pulls(registry, client):
    image = Image()
    await client.push_image("a", image, "v1")
    await client.head("/v2/a/manifests/v1")
    assert (await client.get("/v2/a/manifests/v2")).status == 404
    assert await counts(registry, repository_statistics) == []


async def test_bytes_of_blobs_count_as_they_were_sent(registry, client):
    image = Image(layers=[b"x" * 300_000])
    await client.push_image("a", image, "v1")
    path = f"/v2/a/blobs/{digest(image.layers[0])}"
    await client.get(path)
    await client.get(path, headers={"Range": "bytes=0-99"})
    await client.head(path)
    await client.get(f"/v2/a/blobs/{image.digest}")
    assert await counts(registry, repository_statistics) == [(0, 300_100 + len(image.manifest), 0)]


async def test_counts_go_with_what_they_are_about(registry, client):
    image = Image()
    await client.push_image("a", image, "v1")
    await client.get("/v2/a/manifests/v1")
    assert len(await counts(registry, tag_statistics)) == 1
    await client.delete("/v2/a/manifests/v1")
    assert await counts(registry, tag_statistics) == []
    await client.delete(f"/v2/a/manifests/{image.digest}")
    assert await counts(registry, manifest_statistics) == []
