# SPDX-License-Identifier: Apache-2.0
"""The error table: the classes, the docstring that draws them, the documentation and the wire say the same."""

import json
import re
from pathlib import Path

import pytest

from estiva import errors
from estiva.web.responses import render_error

DOCS = Path(__file__).parents[2] / "docs" / "errors.md"
SPEC_CODES = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
}


def below(base):
    for child in base.__subclasses__():
        yield child
        yield from below(child)


WIRE = sorted({*below(errors.ClientError), *below(errors.ServerError)} - {object}, key=lambda error: error.__name__)
WIRE = [error for error in WIRE if error.__module__ == errors.__name__]
MAKE = {
    "ContentInUse": lambda: errors.ContentInUse("needed", needed_by=["sha256:a"]),
    "ManifestReferenceUnknown": lambda: errors.ManifestReferenceUnknown(["sha256:a"], "missing"),
    "RangeNotSatisfiable": lambda: errors.RangeNotSatisfiable(10),
    "UploadOutOfOrder": lambda: errors.UploadOutOfOrder("out of order", offset=5),
}


@pytest.mark.parametrize("error", WIRE, ids=lambda error: error.__name__)
def test_an_error_is_rendered_as_its_class_says(error):
    answer = render_error(MAKE.get(error.__name__, lambda: error("message"))(), "request-1", "/v2/a/blobs/uploads/x")
    [entry] = json.loads(answer.body)["errors"]
    assert (answer.status, entry["code"]) == (error.status, error.code)
    assert entry["message"]
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("error", [e for e in WIRE if issubclass(e, errors.ClientError)], ids=lambda e: e.__name__)
def test_a_4xx_has_a_code_of_the_specs_list(error):
    assert error.code in SPEC_CODES
    assert 400 <= error.status < 500


@pytest.mark.parametrize("error", [e for e in WIRE if issubclass(e, errors.ServerError)], ids=lambda e: e.__name__)
def test_a_5xx_is_unknown_and_names_the_request(error):
    [entry] = json.loads(render_error(error("message"), "request-1").body)["errors"]
    assert (entry["code"], entry["detail"]) == ("UNKNOWN", {"requestId": "request-1"})


def test_a_fault_of_our_own_tells_nothing_but_the_request():
    answer = render_error(KeyError("secret"), "request-1")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert b"request-1" in answer.body


def test_the_documentation_lists_every_error():
    documented = re.findall(r"^\| (\w+) \| (\d+) \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(documented) == [(error.__name__, str(error.status), error.code) for error in WIRE]


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = re.findall(r"(\w+)\s+(\d{3})(?: ([A-Z_]+))?$", errors.__doc__, re.MULTILINE)
    client = {(name, status, code) for name, status, code in drawn if code}
    assert client == {(e.__name__, str(e.status), e.code) for e in WIRE if issubclass(e, errors.ClientError)}
    server = {(name, status) for name, status, code in drawn if not code}
    assert server == {(e.__name__, str(e.status)) for e in WIRE if issubclass(e, errors.ServerError)}


def test_an_out_of_order_chunk_is_told_where_to_go_on():
    answer = render_error(errors.UploadOutOfOrder("out of order", offset=5), "r", "/v2/a/blobs/uploads/x")
    assert (answer.headers["Location"], answer.headers["Range"]) == ("/v2/a/blobs/uploads/x", "0-4")
