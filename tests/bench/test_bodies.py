# SPDX-License-Identifier: Apache-2.0
"""What is pushed is what its digest says, whichever way its bytes are taken."""

import hashlib
import json
import re

import pytest

from bench.bodies import Payload, config_body
from bench.plan import CHUNK, MIB
from estiva.client.content import digest_of, manifest


@pytest.fixture
def payload(tmp_path):
    return Payload.write(tmp_path / "payload", MIB)


def unframed(wire: bytes) -> bytes:
    content = b""
    while length := int(re.match(rb"([0-9a-f]+)\r\n", wire)[1], 16):
        start = wire.index(b"\r\n") + 2
        content += wire[start : start + length]
        assert wire[start + length : start + length + 2] == b"\r\n"
        wire = wire[start + length + 2 :]
    assert wire == b"0\r\n\r\n"
    return content


@pytest.mark.parametrize("size", [CHUNK, 2 * CHUNK, MIB])
def test_framed_bytes_carry_the_content_that_the_digest_names(payload, size):
    body = payload.body(size, "a mark")

    content = b"".join(payload.content(body))

    assert len(content) == size
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == body.digest
    assert unframed(payload.path.read_bytes()[: body.framed] + body.ending) == content


def test_marks_make_bodies_differ_and_repeat(payload):
    digests = [payload.body(2 * CHUNK, mark).digest for mark in ("one", "two", "one")]

    assert digests[0] == digests[2] != digests[1]


def test_a_manifest_names_its_parts(payload):
    config, layer = config_body("x"), payload.body(2 * CHUNK, "x")

    document = json.loads(manifest(config, [layer], "x"))

    assert document["config"]["digest"] == config.digest == digest_of(config.tail)
    assert document["layers"][0] == {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": layer.digest,
        "size": 2 * CHUNK,
    }
