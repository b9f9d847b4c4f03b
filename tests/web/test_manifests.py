# SPDX-License-Identifier: Apache-2.0
"""Spec, "Pulling manifests" and "Pushing Manifests"."""

import asyncio
import json

import pytest

from estiva.config import Settings
from estiva.options.content import ContentOptions, Missing
from harness.content import EMPTY, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Image, blob, descriptor, digest, index

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


async def test_a_manifest_comes_back_byte_for_byte(client):
    """Spec: the registry MUST store the manifest in the exact byte representation; wire rule 32."""
    image = Image()
    for content in image.blobs:
        await client.push_blob("team/app", content)
    odd = image.manifest.replace(b"{", b"{ \n", 1)
    answer = await client.put_manifest("team/app", "v1", odd)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, digest(odd))
    for reference in ("v1", digest(odd)):
        answer = await client.get(f"/v2/team/app/manifests/{reference}")
        assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, odd, OCI_MANIFEST)
        assert answer.headers["Docker-Content-Digest"] == digest(odd)


async def test_head_carries_what_get_would(client):
    """Spec, "Checking if content exists"; wire rule 31: Content-Type, Content-Length, Docker-Content-Digest."""
    image = Image()
    await client.push_image("a", image, "v1")
    for reference in ("v1", image.digest):
        answer = await client.head(f"/v2/a/manifests/{reference}")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Length"] == str(len(image.manifest))
        assert answer.headers["Content-Type"] == OCI_MANIFEST
        assert answer.headers["Docker-Content-Digest"] == image.digest


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html", DOCKER_LIST, OCI_INDEX])
async def test_the_stored_manifest_is_sent_whatever_accept_says(client, accept):
    """Wire rules 30 and 59."""
    image = Image()
    await client.push_image("a", image, "v1")
    headers = {"Accept": accept} if accept else {}
    answer = await client.get("/v2/a/manifests/v1", headers=headers, skip_auto_headers=["Accept"])
    assert (answer.status, answer.body) == (200, image.manifest)


async def test_an_old_client_gets_the_linux_amd64_image_of_a_list(client):
    """Wire rule 30: only when Accept names the schema 2 manifest, and no list."""
    amd, arm = Image(), Image()
    await client.push_image("a", amd)
    await client.push_image("a", arm)
    both = index(
        arm.descriptor | {"platform": {"os": "linux", "architecture": "arm64"}},
        amd.descriptor | {"platform": {"os": "linux", "architecture": "amd64"}},
    )
    await client.put_manifest("a", "v1", both, OCI_INDEX)
    answer = await client.get("/v2/a/manifests/v1", headers={"Accept": DOCKER_MANIFEST})
    assert (answer.body, answer.headers["Docker-Content-Digest"]) == (amd.manifest, amd.digest)
    answer = await client.get("/v2/a/manifests/v1", headers={"Accept": f"{DOCKER_MANIFEST}, {OCI_INDEX}"})
    assert answer.body == both


async def test_a_push_by_digest_must_match(client):
    image = Image()
    await client.push_image("a", image)
    answer = await client.put_manifest("a", digest(b"other"), image.manifest)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_a_manifest_may_be_pushed_under_its_sha512_digest(client):
    image = Image()
    await client.push_image("a", image)
    name = digest(image.manifest, "sha512")
    answer = await client.put_manifest("a", name, image.manifest)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, name)
    assert (await client.get(answer.location)).body == image.manifest


async def test_one_push_may_set_many_tags(client):
    """Spec: OCI-Tag for each accepted tag; at least 10 are supported."""
    image = Image()
    await client.push_image("a", image)
    tags = [f"v{number}" for number in range(12)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = await client.put_manifest("a", f"{image.digest}?{query}", image.manifest)
    assert answer.status == 201
    listed = [tag.strip() for value in answer.headers.getall("OCI-Tag") for tag in value.split(",")]
    assert sorted(listed) == sorted(tags)
    for tag in tags:
        assert (await client.head(f"/v2/a/manifests/{tag}")).headers["Docker-Content-Digest"] == image.digest


async def test_too_many_tags_are_414(client):
    image = Image()
    await client.push_image("a", image)
    query = "&".join(f"tag=v{number}" for number in range(150))
    assert (await client.put_manifest("a", f"{image.digest}?{query}", image.manifest)).status == 414


async def test_a_bad_tag_among_many_sets_none(client):
    image = Image()
    await client.push_image("a", image)
    answer = await client.put_manifest("a", f"{image.digest}?tag=good&tag=-bad", image.manifest)
    assert answer.status == 400
    assert (await client.head("/v2/a/manifests/good")).status == 404


async def test_a_tag_moves(client):
    first, second = Image(), Image()
    await client.push_image("a", first, "latest")
    await client.push_image("a", second, "latest")
    assert (await client.get("/v2/a/manifests/latest")).body == second.manifest
    assert (await client.get(f"/v2/a/manifests/{first.digest}")).body == first.manifest


async def test_content_type_parameters_are_ignored_and_its_absence_is_made_up_for(client):
    """Spec: the registry SHOULD ignore parameters on Content-Type; wire rule 32."""
    image = Image()
    await client.push_image("a", image)
    assert (await client.put_manifest("a", "v1", image.manifest, f"{OCI_MANIFEST}; charset=utf-8")).status == 201
    answer = await client.put("/v2/a/manifests/v2", data=image.manifest, skip_auto_headers=["Content-Type"])
    assert answer.status == 201
    for tag in ("v1", "v2"):
        assert (await client.head(f"/v2/a/manifests/{tag}")).headers["Content-Type"] == OCI_MANIFEST


async def test_etag_and_if_none_match_spare_the_body(client):
    """Wire rule 34."""
    image = Image()
    await client.push_image("a", image, "v1")
    answer = await client.get("/v2/a/manifests/v1")
    again = await client.get("/v2/a/manifests/v1", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    other = await client.get("/v2/a/manifests/v1", headers={"If-None-Match": '"other"'})
    assert other.status == 200


async def test_a_conditional_push_loses_to_whoever_was_first(client):
    """Wire rule 34; spec, "Referrers Tag Schema": conditional pushes avoid lost updates."""
    first, second, third = Image(), Image(), Image()
    for image in (first, second, third):
        await client.push_image("a", image)

    def put(image, **conditions):
        headers = {"Content-Type": OCI_MANIFEST} | {key.replace("_", "-"): value for key, value in conditions.items()}
        return client.put("/v2/a/manifests/t", data=image.manifest, headers=headers)

    assert (await put(first, If_None_Match="*")).status == 201
    assert (await put(second, If_None_Match="*")).status == 412
    assert (await put(second, If_Match=f'"{first.digest}"')).status == 201
    assert (await put(third, If_Match=f'"{first.digest}"')).status == 412
    assert (await client.get("/v2/a/manifests/t")).body == second.manifest


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        b'{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]}',
        b'{"schemaVersion":2,"mediaType":"text/html"}',
        b'{"schemaVersion":2,"config":"x","layers":[]}',
        b"[" * 100_000,
        b'{"schemaVersion":2,"layers":[],"manifests":[]}',
    ],
)
async def test_what_is_no_manifest_is_400(client, body):
    await client.begin("a")
    answer = await client.put("/v2/a/manifests/v1", data=body, skip_auto_headers=["Content-Type"])
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")


async def test_a_media_type_that_would_show_as_a_page_is_refused(client):
    image = Image()
    await client.push_image("a", image)
    for media_type in ("text/html", "application/xhtml+xml", "image/svg+xml", "a b"):
        body = json.loads(image.manifest)
        body.pop("mediaType")
        answer = await client.put_manifest("a", "v1", json.dumps(body).encode(), media_type)
        assert answer.status == 400, media_type


async def test_everything_under_v2_is_sandboxed(client):
    image = Image()
    await client.push_image("a", image, "v1")
    blob_digest = digest(image.config)
    for path in ("/v2/", "/v2/a/manifests/v1", f"/v2/a/blobs/{blob_digest}", "/v2/a/tags/list", "/v2/nothing"):
        answer = await client.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Content-Security-Policy"] == "sandbox", path
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0", path


async def test_missing_content_is_named(client):
    """Spec: rejecting for this reason MUST result in MANIFEST_BLOB_UNKNOWN."""
    image = Image()
    await client.push_blob("a", image.config)
    answer = await client.put_manifest("a", "v1", image.manifest)
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert answer.json["errors"][0]["detail"] == [{"digest": digest(image.layers[0])}]
    answer = await client.put_manifest("a", "v1", index(Image().descriptor), OCI_INDEX)
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert (await client.get("/v2/a/tags/list")).json["tags"] == []


async def test_a_blob_of_another_repository_counts_as_missing(client):
    image = Image()
    await client.push_image("other", image)
    assert (await client.put_manifest("a", "v1", image.manifest)).code == "MANIFEST_BLOB_UNKNOWN"


class TestAcceptingWhatIsMissing:
    @pytest.fixture
    def settings(self):
        return Settings(content=ContentOptions(missing_blobs=Missing.ACCEPT, missing_manifests=Missing.ACCEPT))

    async def test_sparse_content_is_stored_and_completed_later(self, client):
        image = Image()
        assert (await client.put_manifest("a", "image", image.manifest)).status == 201
        assert (await client.put_manifest("a", "index", index(Image().descriptor), OCI_INDEX)).status == 201
        await client.push_blob("a", image.layers[0])
        answer = await client.delete(f"/v2/a/blobs/{digest(image.layers[0])}")
        assert (answer.status, answer.code) == (405, "UNSUPPORTED")


async def test_indexes_nest_and_may_be_empty(client):
    image = Image()
    await client.push_image("a", image)
    inner = index(image.descriptor)
    outer = index(descriptor(inner, OCI_INDEX))
    for tag, manifest in (("inner", inner), ("outer", outer), ("empty", index())):
        assert (await client.put_manifest("a", tag, manifest, OCI_INDEX)).status == 201


async def test_a_build_cache_is_an_index_of_blobs(client):
    """Wire rule 36."""
    layer, config = blob(), b'{"layers":[]}'
    for content in (layer, config):
        await client.push_blob("cache", content)
    cache = index(
        descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip"),
        descriptor(config, "application/vnd.buildkit.cacheconfig.v0"),
    )
    assert (await client.put_manifest("cache", "latest", cache, OCI_INDEX)).status == 201
    assert (await client.delete(f"/v2/cache/blobs/{digest(layer)}")).status == 405


async def test_foreign_layers_need_not_be_there(client):
    """Wire rule 37."""
    config = b'{"os":"windows"}'
    await client.push_blob("win", config)
    foreign = descriptor(blob(), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["https://x.test/y"])
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": descriptor(config, "application/vnd.docker.container.image.v1+json"),
        "layers": [foreign],
    }
    answer = await client.put_manifest("win", "v1", json.dumps(manifest).encode(), DOCKER_MANIFEST)
    assert answer.status == 201


async def test_docker_lists_and_artifacts_are_stored(client):
    image = Image()
    await client.push_image("a", image)
    body = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [image.descriptor]}).encode()
    assert (await client.put_manifest("a", "list", body, DOCKER_LIST)).status == 201
    await client.push_blob("a", b"{}")
    artifact = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example",
        "config": descriptor(b"{}", EMPTY),
        "layers": [descriptor(b"{}", EMPTY)],
    }
    assert (await client.put_manifest("a", "artifact", json.dumps(artifact).encode())).status == 201
    old = "application/vnd.oci.artifact.manifest.v1+json"
    artifact = {"mediaType": old, "artifactType": "application/vnd.example", "blobs": [descriptor(b"{}", EMPTY)]}
    assert (await client.put_manifest("a", "old", json.dumps(artifact).encode(), old)).status == 201


async def test_four_mebibytes_are_taken_and_more_is_413(client):
    """Spec: at least 4 megabytes; over the limit 413. Wire rules 33 and 59."""
    for tag, size, status in (("most", 4 * 1024 * 1024, 201), ("more", 4 * 1024 * 1024 + 1, 413)):
        padding = size - len(index(annotations={"padding": ""}))
        manifest = index(annotations={"padding": "x" * padding})
        assert len(manifest) == size
        answer = await client.put_manifest("a", tag, manifest, OCI_INDEX)
        assert answer.status == status
    assert answer.code == "SIZE_INVALID"
    assert (await client.get("/v2/a/manifests/most")).headers["Content-Length"] == str(4 * 1024 * 1024)


async def test_a_streamed_manifest_is_bounded_too(client):
    async def endless():
        while True:
            yield b" " * 65536

    answer = await client.put("/v2/a/manifests/v1", data=endless())
    assert answer.status == 413


async def test_a_manifest_asked_for_as_a_blob_is_found(client):
    """Wire rule 35."""
    image = Image()
    await client.push_image("a", image)
    assert (await client.get(f"/v2/a/blobs/{image.digest}")).body == image.manifest
    assert (await client.head(f"/v2/a/blobs/{image.digest}")).status == 200


async def test_library_and_the_bare_name_are_one_repository(client):
    image = Image()
    await client.push_image("library/alpine", image, "3")
    assert (await client.get("/v2/alpine/manifests/3")).body == image.manifest
    assert (await client.get("/v2/library/alpine/tags/list")).json == {"name": "library/alpine", "tags": ["3"]}
    assert (await client.get("/v2/alpine/tags/list")).json == {"name": "alpine", "tags": ["3"]}
    assert (await client.get("/v2/_catalog")).json == {"repositories": ["alpine"]}


async def test_what_is_not_there_is_404(client):
    """Spec: a manifest that is not found MUST be 404, and so must pulling from a nonexistent repository."""
    assert (await client.get("/v2/nobody/manifests/v1")).code == "NAME_UNKNOWN"
    await client.begin("a")
    assert (await client.get("/v2/a/manifests/v1")).code == "MANIFEST_UNKNOWN"
    assert (await client.get(f"/v2/a/manifests/{digest(b'x')}")).code == "MANIFEST_UNKNOWN"
    answer = await client.head("/v2/a/manifests/v1")
    assert (answer.status, answer.body) == (404, b"")


async def test_many_images_are_pushed_at_once(client):
    images = [Image() for _ in range(20)]
    shared = blob(2000)
    for image in images:
        image.layers.append(shared)
    await asyncio.gather(*(client.push_image("a", image, f"v{number}") for number, image in enumerate(images)))
    for number, image in enumerate(images):
        assert (await client.get(f"/v2/a/manifests/v{number}")).body == image.manifest
    layers = {descriptor(shared, OCI_LAYER)["digest"]}
    for found in layers:
        assert (await client.get(f"/v2/a/blobs/{found}")).body == shared
