# SPDX-License-Identifier: Apache-2.0
"""image-spec, "Image Manifest", "Image Index" and "Descriptor"; distribution-spec, "Pushing Manifests"."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.errors import ManifestInvalid
from estiva.oci import media_types
from estiva.oci.digests import Digest
from estiva.oci.manifests import Descriptor, Manifest, ManifestKind, Reference, Role, parse_manifest
from oci.strategies import any_text, digest_texts, outcome

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
C = "sha256:" + "c" * 64
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def descriptor(digest=A, media_type="application/x.test", size=1, **more):
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def image(**fields):
    return {"schemaVersion": 2, "config": descriptor(), "layers": [descriptor(B)], **fields}


def index(**fields):
    return {"schemaVersion": 2, "manifests": [descriptor(A), descriptor(B)], **fields}


def parse(document, content_type=None):
    return parse_manifest(json.dumps(document).encode(), content_type)


def needed(manifest):
    return [(reference.digest, reference.role, reference.required) for reference in manifest.references]


sizes = st.integers(0, 2**63 - 1)
descriptors = st.builds(
    descriptor,
    digest=digest_texts | st.sampled_from([A, B, C]),
    media_type=st.sampled_from(["application/x.test", "text/plain", FOREIGN, *sorted(media_types.FOREIGN_LAYERS)]),
    size=sizes,
    urls=st.lists(st.just("https://example.com/layer"), max_size=1),
)
annotations = st.dictionaries(st.text(), st.text(), max_size=3)
optional = {"annotations": annotations, "subject": descriptors, "artifactType": st.just("application/x.example")}
images = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "config": descriptors, "layers": st.lists(descriptors, max_size=4)}, optional=optional
)
indexes = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "manifests": st.lists(descriptors, max_size=4)}, optional=optional
)
manifests = images | indexes
IMAGES = [media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST]
INDEXES = [media_types.OCI_INDEX, media_types.DOCKER_LIST]

FIELDS = [
    *("schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "blobs", "fsLayers", "subject"),
    *("annotations", "digest", "size", "urls", "Layers", "MediaType"),
]
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([A, "application/json", 2, 1, media_types.OCI_MANIFEST, media_types.OCI_INDEX])
)  # fmt: skip
json_values = st.recursive(
    scalars | descriptors,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)
content_types = (
    st.none() | any_text | st.sampled_from([*IMAGES, *INDEXES, media_types.OCI_ARTIFACT, "application/json"])
)


class TestAnyBytes:
    """Whatever is pushed is a manifest, or an error that can be told."""

    @given(st.binary() | any_text.map(lambda text: text.encode("utf-8", "surrogatepass")), content_types)
    def test_bytes(self, body, content_type):
        assert isinstance(outcome(parse_manifest, body, content_type), Manifest | ManifestInvalid)

    @given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6) | json_values, content_types)
    def test_json(self, document, content_type):
        assert isinstance(outcome(parse, document, content_type), Manifest | ManifestInvalid)

    @given(manifests, content_types, st.data())
    def test_a_manifest_with_a_field_replaced(self, document, content_type, data):
        field = data.draw(st.sampled_from(FIELDS))
        assert isinstance(
            outcome(parse, {**document, field: data.draw(json_values)}, content_type), Manifest | ManifestInvalid
        )

    @given(manifests, st.data())
    def test_a_manifest_with_bytes_replaced(self, document, data):
        body = bytearray(json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        start = data.draw(st.integers(0, len(body)))
        body[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
        assert isinstance(outcome(parse_manifest, bytes(body), None), Manifest | ManifestInvalid)

    @pytest.mark.parametrize(
        "body",
        [
            b"", b" ", b"null", b"[]", b"1", b'"a"', b"{", b"{}", b"{}{}", b"\xff{}", b'\xef\xbb\xbf{"manifests":[]}',
            '{"manifests":[]}'.encode("utf-16"), b'{"manifests":[],"x":NaN}', b'{"manifests":[],"x":\xed\xa0\x80}',
            b'{"manifests":[],"x":"\xff"}', b'{"manifests":[],"annotations":{"a":"\\ud800"}}', b'{"manifests":[],}',
            b'{"manifests":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"x":' * 100_000 + b"1" + b"}" * 100_000,
            b'{"schemaVersion":' + b"9" * 100_000 + b',"manifests":[]}',
            b'{"schemaVersion":1e999,"manifests":[]}', b'{"schemaVersion":2.0,"manifests":[]}',
        ],
    )  # fmt: skip
    def test_what_is_no_json_object_in_utf_8_is_refused(self, body):
        with pytest.raises(ManifestInvalid):
            parse_manifest(body, media_types.OCI_INDEX)

    def test_a_number_of_any_length_may_stand_where_nobody_reads_it(self):
        assert parse_manifest(b'{"manifests":[],"x":' + b"9" * 100_000 + b"}", None)


class TestDescriptors:
    """image-spec, "Descriptor"."""

    @given(descriptors)
    def test_a_descriptor_is_read(self, wanted):
        subject = parse(image(subject=wanted)).subject
        assert subject == Descriptor(
            media_type=wanted["mediaType"], digest=Digest.parse(wanted["digest"]), size=wanted["size"]
        )

    @pytest.mark.parametrize("size", [-1, 2**63, 10**30, 1.0, 1e3, "1", True, None, [1]])
    @pytest.mark.parametrize("field", ["config", "subject"])
    def test_the_size_must_be_an_int64_that_is_not_negative(self, field, size):
        with pytest.raises(ManifestInvalid, match=r"at `\$\." + field):
            parse(image(**{field: descriptor(size=size)}))

    @pytest.mark.parametrize(
        "digest", ["", "sha256", "sha256:x", "SHA256:" + "a" * 64, A + "\n", "a/b:c", "..", None, 1]
    )
    @pytest.mark.parametrize("field", ["config", "subject"])
    def test_the_digest_must_match_its_grammar(self, field, digest):
        with pytest.raises(ManifestInvalid, match=field):
            parse(image(**{field: descriptor(digest)}))

    @pytest.mark.parametrize("missing", ["digest", "size"])
    def test_the_digest_and_the_size_are_required(self, missing):
        incomplete = descriptor()
        del incomplete[missing]
        with pytest.raises(ManifestInvalid, match=missing):
            parse(image(layers=[incomplete]))

    def test_the_media_type_of_content_is_none_of_a_registrys_business(self):
        """image-spec, "Image Manifest": implementations MUST NOT error on a mediaType that is unknown."""
        assert parse(image(layers=[descriptor(B, "what ever")], config=descriptor(A, "x")))

    def test_a_subject_may_be_of_an_algorithm_that_nobody_knows(self):
        subject = parse(image(subject=descriptor("multihash+base58:QmRZxt2b1FVZ"))).subject
        assert not subject.digest.supported


class TestReferences:
    """What a manifest needs."""

    def test_an_image_needs_its_config_and_its_layers(self):
        assert needed(parse(image(layers=[descriptor(B), descriptor(C)]))) == [
            (A, Role.CONFIG, True),
            (B, Role.LAYER, True),
            (C, Role.LAYER, True),
        ]

    def test_an_index_needs_its_manifests(self):
        assert needed(parse(index())) == [(A, Role.MANIFEST, True), (B, Role.MANIFEST, True)]

    def test_an_artifact_manifest_needs_its_blobs(self):
        artifact = {
            "mediaType": media_types.OCI_ARTIFACT,
            "artifactType": "a/b",
            "blobs": [descriptor(A), descriptor(B)],
        }
        manifest = parse(artifact, media_types.OCI_ARTIFACT)
        assert needed(manifest) == [(A, Role.LAYER, True), (B, Role.LAYER, True)]
        assert (manifest.kind, manifest.artifact_type) == (ManifestKind.ARTIFACT, "a/b")

    def test_the_list_of_layers_may_be_empty(self):
        """distribution-spec, "Pushing Manifests": the list of blobs MAY be empty."""
        assert needed(parse(image(layers=[]))) == needed(parse(image(layers=None))) == [(A, Role.CONFIG, True)]

    def test_the_list_of_manifests_may_be_empty(self):
        """image-spec, "Image Index": the size of the array MAY be zero."""
        assert parse(index(manifests=[]), media_types.OCI_INDEX).references == ()

    def test_the_subject_is_not_needed(self):
        assert A not in [reference.digest for reference in parse(index(manifests=[], subject=descriptor(A))).references]

    @given(manifests)
    def test_every_digest_is_named_once_in_the_order_of_the_document(self, document):
        listed = [*filter(None, [document.get("config")]), *document.get("layers", document.get("manifests", []))]
        found = [reference.digest for reference in parse(document).references]
        assert found == list(dict.fromkeys(wanted["digest"] for wanted in listed))

    @given(st.lists(descriptors, max_size=8))
    def test_a_digest_is_required_if_any_of_its_occurrences_is(self, layers):
        optional = {"urls": ["https://example.com/"], "mediaType": FOREIGN}
        found = parse(image(config={**descriptor("x:config"), **optional}, layers=layers)).references
        for reference in found[1:]:
            occurrences = [layer for layer in layers if layer["digest"] == reference.digest]
            foreign = [layer["urls"] and layer["mediaType"] in media_types.FOREIGN_LAYERS for layer in occurrences]
            assert reference.required == (not all(foreign))

    def test_what_is_config_and_layer_is_needed_once(self):
        empty = descriptor(str(Digest.of(b"{}")), media_types.OCI_EMPTY, 2)
        assert parse(image(config=empty, layers=[empty])).references == (
            Reference(digest=empty["digest"], size=2, role=Role.CONFIG, required=True),
        )

    @pytest.mark.parametrize("media_type", sorted(media_types.FOREIGN_LAYERS))
    def test_a_foreign_layer_is_required_only_without_urls(self, media_type):
        with_urls = parse(image(layers=[descriptor(B, media_type, urls=["https://example.com/"])]))
        assert needed(with_urls)[1] == (B, Role.LAYER, False)
        assert needed(parse(image(layers=[descriptor(B, media_type, urls=[])])))[1] == (B, Role.LAYER, True)
        assert needed(parse(image(layers=[descriptor(B, media_type)])))[1] == (B, Role.LAYER, True)

    def test_any_other_layer_is_required_whatever_urls_it_has(self):
        assert needed(parse(image(layers=[descriptor(B, urls=["https://example.com/"])])))[1] == (B, Role.LAYER, True)

    def test_the_cache_of_buildkit_is_an_index_of_blobs(self):
        layer = descriptor(A, "application/vnd.docker.image.rootfs.diff.tar.gzip")
        config = descriptor(B, media_types.BUILDKIT_CACHE_CONFIG)
        cache = index(mediaType=media_types.OCI_INDEX, manifests=[layer, config])
        assert needed(parse(cache)) == [(A, Role.MANIFEST, True), (B, Role.MANIFEST, True)]


class TestMediaType:
    """distribution-spec, "Pushing Manifests": mediaType and Content-Type."""

    @pytest.mark.parametrize("media_type", IMAGES)
    def test_images_are_known_by_either(self, media_type):
        stated = parse(image(mediaType=media_type))
        declared = parse(image(), media_type)
        assert stated == declared == parse(image(mediaType=media_type), media_type)
        assert (stated.kind, stated.media_type) == (ManifestKind.IMAGE, media_type)

    @pytest.mark.parametrize("media_type", INDEXES)
    def test_indexes_are_known_by_either(self, media_type):
        stated = parse(index(mediaType=media_type))
        declared = parse(index(), media_type)
        assert stated == declared == parse(index(mediaType=media_type), media_type)
        assert (stated.kind, stated.media_type) == (ManifestKind.INDEX, media_type)

    def test_parameters_of_content_type_are_ignored(self):
        """The registry SHOULD ignore parameters on the Content-Type header."""
        assert parse(index(), media_types.OCI_INDEX + "; charset=utf-8").media_type == media_types.OCI_INDEX

    @pytest.mark.parametrize("content_type", [media_types.DOCKER_MANIFEST, media_types.OCI_INDEX, "application/json"])
    def test_they_must_be_the_same(self, content_type):
        """If a manifest includes a `mediaType`, clients MUST set the `Content-Type` header to its value."""
        with pytest.raises(ManifestInvalid, match="send Content-Type: " + media_types.OCI_MANIFEST.replace("+", r"\+")):
            parse(image(mediaType=media_types.OCI_MANIFEST), content_type)

    @pytest.mark.parametrize("content_type", [None, ""])
    def test_where_neither_is_there_the_shape_decides(self, content_type):
        assert parse(image(), content_type).media_type == media_types.OCI_MANIFEST
        assert parse(index(), content_type).media_type == media_types.OCI_INDEX
        assert parse({"blobs": []}, content_type).media_type == media_types.OCI_ARTIFACT

    @pytest.mark.parametrize("content_type", ["application/vnd.example.new+json", "application/json"])
    def test_an_unknown_type_is_kept_and_taken_by_its_shape(self, content_type):
        taken = {kind: parse(document, content_type) for kind, document in SHAPES.items()}
        assert {manifest.media_type for manifest in taken.values()} == {content_type}
        assert [manifest.kind for manifest in taken.values()] == list(taken)

    @pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", "image/svg+xml", "nonsense"])
    def test_what_is_no_type_of_a_manifest_is_refused_in_the_header_and_in_the_document(self, content_type):
        with pytest.raises(ManifestInvalid):
            parse(image(), content_type)
        with pytest.raises(ManifestInvalid):
            parse(image(mediaType=content_type))

    @pytest.mark.parametrize("media_type", IMAGES)
    def test_an_image_needs_a_config(self, media_type):
        """image-spec, "Image Manifest": this REQUIRED property references a configuration object."""
        with pytest.raises(ManifestInvalid, match="needs a config"):
            parse({"schemaVersion": 2, "layers": []}, media_type)
        with pytest.raises(ManifestInvalid, match="needs a config"):
            parse(index(), media_type)

    @pytest.mark.parametrize("media_type", INDEXES)
    def test_an_index_needs_manifests(self, media_type):
        """image-spec, "Image Index": this property MUST be present."""
        with pytest.raises(ManifestInvalid, match="needs manifests"):
            parse({"schemaVersion": 2}, media_type)
        with pytest.raises(ManifestInvalid, match="needs manifests"):
            parse(image(), media_type)

    @pytest.mark.parametrize("document", [{}, {"schemaVersion": 2}, {"config": None}, {"a": [1]}])
    def test_a_document_of_no_shape_is_refused(self, document):
        with pytest.raises(ManifestInvalid, match="what it is cannot be told"):
            parse(document, "application/vnd.example.new+json")

    @pytest.mark.parametrize("version", [0, 3, -1, 10**30])
    def test_the_schema_version_must_be_2(self, version):
        with pytest.raises(ManifestInvalid, match="schemaVersion"):
            parse(image(schemaVersion=version))

    @pytest.mark.parametrize(
        ("document", "content_type"),
        [
            (image(schemaVersion=1), None),
            ({"schemaVersion": 1, "fsLayers": [], "history": []}, None),
            (image(fsLayers=[]), media_types.OCI_MANIFEST),
            (image(), media_types.DOCKER_SCHEMA1_SIGNED),
            (image(mediaType=media_types.DOCKER_SCHEMA1), None),
        ],
    )
    def test_dockers_first_schema_is_refused_with_the_cure(self, document, content_type):
        with pytest.raises(ManifestInvalid, match="skopeo copy"):
            parse(document, content_type)


SHAPES = {ManifestKind.IMAGE: image(), ManifestKind.INDEX: index(), ManifestKind.ARTIFACT: {"blobs": [descriptor()]}}


class TestOneMeaning:
    """What clients could read differently is refused."""

    @pytest.mark.parametrize("content_type", [None, *IMAGES, *INDEXES, "application/json"])
    @pytest.mark.parametrize("extra", [{"layers": []}, {"config": descriptor()}, image()])
    def test_no_image_is_an_index_as_well(self, content_type, extra):
        """CVE-2021-41190."""
        with pytest.raises(ManifestInvalid, match="can be an image or an index"):
            parse({**index(), **extra}, content_type)

    @pytest.mark.parametrize(
        "body",
        [
            b'{"manifests":[],"manifests":[]}',
            b'{"manifests":[],"manif\\u0065sts":[]}',
            b'{"manifests":[],"a":{"b":1,"b":2}}',
            b'{"manifests":[],"annotations":{"a":"1","a":"2"}}',
            b'{"manifests":[{"size":1,"digest":"x:a","digest":"x:b"}]}',
            b'{"manifests":[{"size":1,"digest":"x:a","Digest":"x:b"}]}',
            b'{"manifests":[{"size":1,"digest":"x:a","SIZE":2}]}',
        ],
    )
    def test_no_key_occurs_twice(self, body):
        with pytest.raises(ManifestInvalid, match="occurs twice"):
            parse_manifest(body, None)

    @pytest.mark.parametrize(
        "key", ["Manifests", "LAYERS", "Config", "mediatype", "MediaType", "layer\u017f", "Subject"]
    )
    def test_no_known_key_is_spelled_in_another_case(self, key):
        """Go's parser would read it as the known key."""
        with pytest.raises(ManifestInvalid, match="write "):
            parse(index(**{key: None}))

    def test_annotations_and_unknown_fields_may_differ_in_case_only(self):
        assert parse(index(annotations={"a": "1", "A": "2"}, x=1, X=2, platform={"Digest": 1})).annotations["A"] == "2"


class TestArtifactType:
    """distribution-spec, "Listing Referrers": the artifactType of a descriptor."""

    def test_it_is_the_manifests_own_if_present(self):
        assert parse(image(artifactType="a/b")).artifact_type == "a/b"
        assert parse(index(artifactType="a/b")).artifact_type == "a/b"

    @pytest.mark.parametrize("artifact_type", ["", None])
    def test_it_is_the_config_media_type_of_an_image_where_it_is_empty_or_missing(self, artifact_type):
        manifest = parse(image(artifactType=artifact_type, config=descriptor(A, "application/x.config")))
        assert manifest.artifact_type == "application/x.config"

    @pytest.mark.parametrize("artifact_type", ["", None])
    def test_it_is_omitted_of_an_index_where_it_is_empty_or_missing(self, artifact_type):
        assert parse(index(artifactType=artifact_type)).artifact_type is None

    @pytest.mark.parametrize("missing", ["", None])
    def test_an_image_may_have_none_at_all(self, missing):
        assert parse(image(config=descriptor(A, missing))).artifact_type is None

    @pytest.mark.parametrize("artifact_type", ["a\0b", "a\nb", "\u00e4/b", "a" * 256])
    def test_it_is_text_that_a_database_can_hold(self, artifact_type):
        with pytest.raises(ManifestInvalid):
            parse(index(artifactType=artifact_type))
        with pytest.raises(ManifestInvalid):
            parse(image(config=descriptor(A, artifact_type)))


class TestAnnotations:
    """image-spec, "Image Manifest": a string-string map."""

    @given(annotations)
    def test_annotations_are_kept(self, wanted):
        assert parse(index(annotations=wanted)).annotations == wanted

    @given(manifests)
    def test_annotations_are_text_that_can_be_sent(self, document):
        json.dumps(parse(document).annotations, ensure_ascii=False).encode()

    @pytest.mark.parametrize("absent", [{}, {"annotations": None}, {"annotations": {}}])
    def test_a_manifest_may_have_none(self, absent):
        assert parse(index(**absent)).annotations == {}

    @pytest.mark.parametrize("wrong", [[], "a", {"a": 1}, {"a": None}, {"a": {"b": "c"}}])
    def test_anything_but_a_map_of_strings_is_refused(self, wrong):
        with pytest.raises(ManifestInvalid, match="annotations"):
            parse(index(annotations=wrong))
