# SPDX-License-Identifier: Apache-2.0
"""Spec, "Content Discovery"; and search."""

import pytest

from harness.content import OCI_INDEX, OCI_MANIFEST, Image, index


@pytest.fixture
async def tagged(client):
    """A repository with tags in no order at all."""
    image = Image()
    await client.push_image("a", image)
    tags = ["v10", "v2", "latest", "V1", "1.0", "_x", "a.b-c"]
    await client.put_manifest("a", f"{image.digest}?" + "&".join(f"tag={tag}" for tag in tags), image.manifest)
    return sorted(tags)


def following(answer):
    """The path and query of the next page; a Link is path-relative (wire rule 45)."""
    link = answer.headers["Link"]
    assert link.startswith("</v2/")
    assert link.endswith('>; rel="next"')
    return link[1 : link.index(">")]


class TestTags:
    async def test_all_are_listed_in_ascii_order(self, client, tagged):
        assert (await client.get("/v2/a/tags/list")).json == {"name": "a", "tags": tagged}

    async def test_pages_follow_each_other_by_link(self, client, tagged):
        answer = await client.get("/v2/a/tags/list?n=3")
        assert answer.json["tags"] == tagged[:3]
        answer = await client.get(following(answer))
        assert answer.json["tags"] == tagged[3:6]
        answer = await client.get(following(answer))
        assert answer.json["tags"] == tagged[6:]
        assert "Link" not in answer.headers

    async def test_n_zero_is_an_empty_list_without_link(self, client, tagged):
        answer = await client.get("/v2/a/tags/list?n=0")
        assert (answer.status, answer.json["tags"]) == (200, [])
        assert "Link" not in answer.headers

    async def test_last_need_not_exist_and_is_not_included(self, client, tagged):
        """Wire rule 58."""
        assert (await client.get("/v2/a/tags/list?last=latest")).json["tags"] == tagged[tagged.index("latest") + 1 :]
        assert (await client.get("/v2/a/tags/list?last=m&n=5")).json["tags"] == [tag for tag in tagged if tag > "m"][:5]

    async def test_a_large_n_is_clamped(self, client, tagged):
        """Wire rule 44."""
        assert (await client.get(f"/v2/a/tags/list?n={'9' * 5000}")).json["tags"] == tagged

    @pytest.mark.parametrize("bad", ["x", "-1", "1.5", "", "+1", "1_0", "\u0661"])
    async def test_a_malformed_n_is_400(self, client, tagged, bad):
        assert (await client.get(f"/v2/a/tags/list?n={bad}")).status == 400

    async def test_a_repository_without_tags_has_an_empty_list(self, client):
        await client.begin("a")
        assert (await client.get("/v2/a/tags/list")).body == b'{"name":"a","tags":[]}'

    async def test_an_unknown_repository_is_404(self, client):
        assert (await client.get("/v2/a/tags/list")).code == "NAME_UNKNOWN"

    async def test_more_tags_than_one_batch_are_streamed(self, client, monkeypatch, tagged):
        monkeypatch.setattr("estiva.content.tags.BATCH", 2)
        answer = await client.get("/v2/a/tags/list")
        assert answer.json == {"name": "a", "tags": tagged}
        assert (await client.head("/v2/a/tags/list")).status == 200


class TestCatalog:
    async def test_repositories_are_listed_in_pages(self, client):
        names = ["b", "a/x", "c", "a"]
        for name in names:
            await client.push_image(name, Image(), "v1")
        await client.begin("nothing-in-it")
        answer = await client.get("/v2/_catalog")
        assert answer.json == {"repositories": ["a", "a/x", "b", "c"]}
        answer = await client.get("/v2/_catalog?n=2")
        assert answer.json == {"repositories": ["a", "a/x"]}
        assert (await client.get(following(answer))).json == {"repositories": ["b", "c"]}
        assert (await client.get("/v2/_catalog?n=0")).json == {"repositories": []}


class TestReferrers:
    """Spec, "Listing Referrers"."""

    async def test_referrers_are_listed_with_type_and_annotations(self, client):
        subject = Image()
        await client.push_image("a", subject, "v1")
        signature = Image(
            subject=subject.descriptor, artifact_type="application/vnd.example.sig", annotations={"key": "value"}
        )
        plain = Image(subject=subject.descriptor)
        for image in (signature, plain):
            answer = await client.put_manifest("a", await client.push_image("a", image), image.manifest)
            assert answer.headers["OCI-Subject"] == subject.digest
        answer = await client.get(f"/v2/a/referrers/{subject.digest}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_INDEX)
        assert (answer.json["schemaVersion"], answer.json["mediaType"]) == (2, OCI_INDEX)
        listed = {entry["digest"]: entry for entry in answer.json["manifests"]}
        assert listed[signature.digest]["artifactType"] == "application/vnd.example.sig"
        assert listed[signature.digest]["annotations"] == {"key": "value"}
        assert listed[signature.digest]["size"] == len(signature.manifest)
        assert listed[plain.digest]["artifactType"] == "application/vnd.oci.image.config.v1+json"
        assert listed[plain.digest]["mediaType"] == OCI_MANIFEST

    async def test_the_list_is_filtered_by_type(self, client):
        subject = Image()
        wanted = Image(subject=subject.descriptor, artifact_type="application/vnd.a+json")
        for image in (subject, wanted, Image(subject=subject.descriptor)):
            await client.push_image("a", image)
        answer = await client.get(f"/v2/a/referrers/{subject.digest}?artifactType=application/vnd.a%2Bjson")
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        assert [entry["digest"] for entry in answer.json["manifests"]] == [wanted.digest]

    async def test_an_index_without_type_has_none(self, client):
        subject = Image()
        await client.push_image("a", subject)
        await client.put_manifest("a", "i", index(subject=subject.descriptor), OCI_INDEX)
        [entry] = (await client.get(f"/v2/a/referrers/{subject.digest}")).json["manifests"]
        assert "artifactType" not in entry

    async def test_a_subject_may_come_after_its_referrers(self, client):
        """Spec: a registry MUST initially accept a manifest whose subject does not exist."""
        subject = Image()
        signature = Image(subject=subject.descriptor)
        await client.push_image("a", signature)
        [entry] = (await client.get(f"/v2/a/referrers/{subject.digest}")).json["manifests"]
        assert entry["digest"] == signature.digest

    async def test_no_referrers_is_an_empty_index_everywhere(self, client):
        """Wire rule 39: 200 with the exact type, also for the probe of a digest of zeros and an unknown repository."""
        for name in ("nobody", "a"):
            await client.begin("a")
            answer = await client.get(f"/v2/{name}/referrers/sha256:{'0' * 64}")
            assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_INDEX)
            assert answer.json["manifests"] == []

    async def test_a_malformed_digest_is_400(self, client):
        """Spec: an invalid digest MUST be 400."""
        assert (await client.get("/v2/a/referrers/sha256:nonsense")).code == "DIGEST_INVALID"

    async def test_what_a_fallback_tag_lists_is_listed(self, client):
        """Spec, "Enabling the Referrers API": manifests listed under the tag schema MUST be included."""
        subject = Image()
        signature = Image(subject=subject.descriptor, artifact_type="application/vnd.a")
        for image in (subject, signature):
            await client.push_image("a", image)
        tag = subject.digest.replace(":", "-")
        await client.put_manifest("a", tag, index(signature.descriptor), OCI_INDEX)
        listed = (await client.get(f"/v2/a/referrers/{subject.digest}")).json["manifests"]
        assert [entry["digest"] for entry in listed] == [signature.digest]

    async def test_a_long_list_is_paged(self, client):
        subject = Image()
        await client.push_image("a", subject)
        big = {"note": "x" * 1_000_000}
        pushed = {await client.push_image("a", Image(subject=subject.descriptor, annotations=big)) for _ in range(5)}
        listed, path = set(), f"/v2/a/referrers/{subject.digest}"
        pages = 0
        while path:
            answer = await client.get(path)
            assert len(answer.body) < 4 * 1024 * 1024
            listed |= {entry["digest"] for entry in answer.json["manifests"]}
            path = following(answer) if "Link" in answer.headers else None
            pages += 1
        assert listed == pushed
        assert pages > 1


class TestSearch:
    """Wire rule 47."""

    async def test_docker_finds_repositories(self, client):
        for name in ("library/redis", "team/redis-proxy", "team/app"):
            await client.push_image(name, Image(), "v1")
        ping = await client.get("/v1/_ping")
        assert (ping.status, ping.headers["X-Docker-Registry-Standalone"]) == (200, "true")
        found = (await client.get("/v1/search?q=redis&n=25")).json
        assert [entry["name"] for entry in found["results"]] == ["redis", "team/redis-proxy"]
        assert [entry["is_official"] for entry in found["results"]] == [True, False]
        assert found["num_results"] == 2
        assert (await client.get("/v1/search?q=%25&n=1")).json["results"] == []
