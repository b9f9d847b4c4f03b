# SPDX-License-Identifier: Apache-2.0
"""distribution-spec, "Endpoints": which path is which endpoint's."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estiva.errors import ClientError, DigestInvalid, NameInvalid, RouteUnknown, TagInvalid, UploadUnknown
from estiva.oci import paths
from estiva.oci.names import RepositoryName
from estiva.oci.paths import parse_path
from estiva.oci.tags import Tag
from oci.strategies import MARKERS, any_text, digests, names, outcome, sessions, tags

DIGEST = "sha256:" + "a" * 64
SESSION = "6b1f0e2c-2b7e-4c8a-9d3f-0a1b2c3d4e5f"

routes = st.one_of(
    st.builds(paths.TagsList, names),
    st.builds(paths.ManifestPath, names, tags | digests),
    st.builds(paths.BlobPath, names, digests),
    st.builds(paths.Uploads, names),
    st.builds(paths.UploadSession, names, sessions),
    st.builds(paths.Referrers, names, digests),
    st.sampled_from([paths.Base(), paths.Catalog()]),
)

RENDER = {
    paths.Base: lambda route: "/v2/",
    paths.Catalog: lambda route: paths.catalog_path(),
    paths.TagsList: lambda route: paths.tags_path(route.name),
    paths.ManifestPath: lambda route: paths.manifest_path(route.name, route.reference),
    paths.BlobPath: lambda route: paths.blob_path(route.name, route.digest),
    paths.Uploads: lambda route: f"/v2/{route.name}/blobs/uploads/",
    paths.UploadSession: lambda route: paths.upload_path(route.name, route.session),
    paths.Referrers: lambda route: paths.referrers_path(route.name, route.digest),
}


def render(route):
    return RENDER[type(route)](route)


@given(routes)
def test_a_route_is_found_again_by_its_path(route):
    assert parse_path(render(route)) == route


@given(routes)
def test_a_path_consists_of_what_a_location_may_have_unescaped(route):
    assert quote(render(route), safe="/:+=_.-") == render(route)


@given(routes, st.data())
def test_any_character_of_a_path_may_be_percent_encoded(route, data):
    path = render(route)
    encoded = [data.draw(st.sampled_from([char, f"%{ord(char):02x}", f"%{ord(char):02X}"])) for char in path[4:]]
    assert parse_path("/v2/" + "".join(encoded)) == route


@given(routes, st.data())
def test_repeated_slashes_count_as_one(route, data):
    doubled = [part + "/" * data.draw(st.integers(0, 2)) for part in render(route).split("/")]
    assert parse_path("/".join(doubled[:-1]) + "/" + doubled[-1].rstrip("/")) == route


@given(any_text | any_text.map("/v2/".__add__))
@example("/v2/a/manifests/\udc80")
@example("/v2/%ff/manifests/a")
@example("/v2/a/blobs/uploads/" + "a" * 100_000)
def test_any_path_has_a_route_or_an_error_that_can_be_told(path):
    route = outcome(parse_path, path)
    assert isinstance(route, paths.Route) or route.status in {400, 404}


@given(
    st.lists(
        st.sampled_from(
            [*MARKERS, "", ".", "..", "%2e%2e", "%2F", "%252e", "%00", "%", "%zz", "latest", DIGEST, SESSION]
        ),
        max_size=8,
    ).map(lambda parts: "/v2/" + "/".join(parts))
)
def test_what_is_routed_has_the_grammar_of_the_specification(path):
    route = outcome(parse_path, path)
    assert isinstance(route, ClientError) or parse_path(render(route)) == route


@pytest.mark.parametrize("path", ["/v2", "/v2/", "//v2//", "/v2//"])
def test_end_1_is_found_with_and_without_its_slash(path):
    assert parse_path(path) == paths.Base()


@pytest.mark.parametrize("path", ["/v2/a/b/blobs/uploads", "/v2/a/b/blobs/uploads/", "/v2//a/b/blobs/uploads//"])
def test_end_4_is_found_with_and_without_its_slash(path):
    assert parse_path(path) == paths.Uploads(RepositoryName.parse("a/b"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v2/manifests/manifests/manifests", "manifests"),
        ("/v2/a/manifests/manifests/x", "a/manifests"),
        ("/v2/a/manifests/b/manifests/x", "a/manifests/b"),
        ("/v2/a/blobs/uploads/manifests/x", "a/blobs/uploads"),
        ("/v2/a/tags/list/manifests/x", "a/tags/list"),
        ("/v2/a/blobs/manifests/uploads", "a/blobs"),
        ("/v2/tags/manifests/list", "tags"),
    ],
)
def test_the_last_word_of_an_endpoint_ends_the_name(path, name):
    assert str(parse_path(path).name) == name


def test_a_name_may_end_like_an_endpoint():
    assert parse_path("/v2/a/tags/tags/list") == paths.TagsList(RepositoryName.parse("a/tags"))
    assert parse_path("/v2/blobs/blobs/uploads/") == paths.Uploads(RepositoryName.parse("blobs"))
    assert parse_path(f"/v2/blobs/blobs/uploads/{SESSION}") == paths.UploadSession(
        RepositoryName.parse("blobs"), SESSION
    )


def test_the_answer_echoes_the_name_as_asked():
    route = parse_path("/v2/library/alpine/manifests/latest")
    assert route == paths.ManifestPath(RepositoryName("library/alpine", "alpine"), Tag("latest"))
    assert render(route) == "/v2/library/alpine/manifests/latest"


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/v1/", "/v2x", "/V2/", "v2/", "/v2/a", "/v2/a/b", "/v2/a/tags", "/v2/a/tags/", "/v2/a/tags/lists",
        "/v2/a/list", "/v2/_catalog/", "/v2/a/_catalog", "/v2/a/uploads/", f"/v2/a/uploads/{SESSION}",
        f"/v2/a/blobs/{DIGEST}/", f"/v2/a/blobs/uploads/{SESSION}/", "/v2/a/manifests/b/c", "/v2/%ff/tags/list",
        "/%76%32/..",
    ],
)  # fmt: skip
def test_every_other_path_is_404(path):
    with pytest.raises(RouteUnknown) as caught:
        parse_path(path)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v2/A/tags/list",
        "/v2/../tags/list",
        "/v2/a/../b/manifests/x",
        "/v2/a/%2e%2e/manifests/x",
        "/v2/a/%252e/manifests/x",
        "/v2/%00/manifests/x",
        "/v2/a%2f%2fb/manifests/x",
        "/v2/manifests/x",
        "/v2/_catalog/manifests/x",
        "/v2/blobs/uploads/",
        f"/v2/blobs/uploads/{SESSION}",
        f"/v2/a%0a/referrers/{DIGEST}",
        f"/v2/{'a' * 256}/blobs/{DIGEST}",
    ],
)
def test_an_endpoint_of_an_invalid_name_is_name_invalid(path):
    with pytest.raises(NameInvalid):
        parse_path(path)


@pytest.mark.parametrize("reference", ["", "..", ".x", "%2e%2e", "a%0a", "a" * 129, "%25"])
def test_a_manifest_of_an_invalid_tag_is_tag_invalid(reference):
    with pytest.raises(TagInvalid):
        parse_path(f"/v2/a/manifests/{reference}")


@pytest.mark.parametrize("endpoint", ["manifests", "blobs", "referrers"])
@pytest.mark.parametrize("digest", ["sha256:x", "sha256:", ":", "sha256:%0a"])
def test_an_invalid_digest_is_400(endpoint, digest):
    """distribution-spec, "Listing Referrers": a `<digest>` with an invalid syntax MUST be answered with 400."""
    with pytest.raises(DigestInvalid) as caught:
        parse_path(f"/v2/a/{endpoint}/{digest}")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "session", ["x", SESSION.upper(), SESSION.replace("-", ""), "{" + SESSION + "}", SESSION + "%0a"]
)
def test_a_session_that_is_no_uuid_is_unknown(session):
    with pytest.raises(UploadUnknown):
        parse_path(f"/v2/a/blobs/uploads/{session}")
