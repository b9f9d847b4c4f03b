# SPDX-License-Identifier: Apache-2.0
"""distribution-spec, "Pushing a blob in chunks"."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from estiva.errors import SizeInvalid, UploadInvalid, UploadOutOfOrder
from estiva.oci.ranges import parse_content_range, render_progress
from estiva.oci.uploads import check_received, plan_chunk
from oci.strategies import outcome

offsets = st.integers(min_value=0, max_value=1000)
lengths = st.integers(min_value=1, max_value=1000)


def spelled(start, length):
    return f"{start}-{start + length - 1}"


class Session(RuleBasedStateMachine):
    """A client that sends a blob in every way it can, to a server that keeps what it may."""

    blob = bytes(range(256)) * 8

    def __init__(self):
        super().__init__()
        self.kept = b""
        self.acknowledged = 0

    def send(self, start, announced, content_range, sent):
        """Do as a server does: plan, receive, check, and only then keep."""
        length = plan_chunk(len(self.kept), content_range, announced)
        received = self.blob[start : start + sent]
        check_received(length, len(received))
        self.kept += received
        self.acknowledged = len(self.kept)

    @rule(length=st.integers(1, 300))
    def send_the_next_chunk(self, length):
        start = len(self.kept)
        length = len(self.blob[start : start + length])
        content_range = spelled(start, length) if length else None
        self.send(start, length, content_range, length)
        assert len(self.kept) == start + length

    @rule(length=st.integers(0, 300))
    def send_bytes_without_headers(self, length):
        self.send(len(self.kept), None, None, length)

    @rule(start=st.integers(0, 3000), length=st.integers(1, 300))
    def send_a_chunk_from_anywhere(self, start, length):
        before = self.kept
        length = max(1, len(self.blob[start : start + length]))
        result = outcome(self.send, start, length, spelled(start, length), length)
        assert isinstance(result, UploadOutOfOrder) == (start != len(before))
        assert (result is None) == (start == len(before) < len(self.blob))

    @rule(announced=st.integers(0, 50), sent=st.integers(0, 50))
    def send_more_or_less_than_announced(self, announced, sent):
        start = len(self.kept)
        sent = len(self.blob[start : start + sent])
        result = outcome(self.send, start, announced, None, sent)
        assert isinstance(result, SizeInvalid) == (announced != sent)

    @rule()
    def ask_where_to_go_on_and_do_so(self):
        kept = len(self.kept)
        told = parse_content_range(render_progress(kept)).stop
        assert told == max(1, kept)

    @invariant()
    def what_is_kept_is_the_beginning_of_the_blob(self):
        assert self.blob.startswith(self.kept)
        assert self.acknowledged == len(self.kept)


TestSession = Session.TestCase


@given(offsets, lengths)
def test_a_chunk_that_begins_where_the_upload_ends_is_taken(offset, length):
    assert plan_chunk(offset, spelled(offset, length), length) == length


@given(offsets, offsets, lengths)
@example(7, 7, 1)
def test_chunks_must_be_uploaded_in_order(offset, start, length):
    result = outcome(plan_chunk, offset, spelled(start, length), length)
    assert isinstance(result, UploadOutOfOrder) == (start != offset)
    assert result == length or (result.status, result.offset) == (416, offset)


@given(lengths, lengths)
def test_the_first_chunks_range_must_begin_with_0(start, length):
    with pytest.raises(UploadOutOfOrder):
        plan_chunk(0, spelled(start, length), length)


@given(offsets, st.none() | offsets)
def test_without_a_range_the_chunk_is_the_next_one(offset, length):
    assert plan_chunk(offset, None, length) == length


@given(offsets, lengths)
def test_the_range_tells_the_length_where_no_header_does(offset, length):
    assert plan_chunk(offset, spelled(offset, length), None) == length


@given(offsets, lengths, lengths)
def test_headers_that_contradict_each_other_are_refused(offset, length, difference):
    with pytest.raises(SizeInvalid):
        plan_chunk(offset, spelled(offset, length), length + difference)


def test_a_chunk_out_of_order_is_so_whatever_its_length_says():
    with pytest.raises(UploadOutOfOrder):
        plan_chunk(5, "9-12", 999)


def test_a_malformed_range_is_refused():
    with pytest.raises(UploadInvalid):
        plan_chunk(0, "bytes=0-1", 2)


@given(lengths, lengths)
def test_more_or_fewer_bytes_than_announced_are_refused(length, difference):
    check_received(length, length)
    with pytest.raises(SizeInvalid):
        check_received(length, length + difference)


@given(offsets)
def test_any_number_of_bytes_may_come_where_none_was_announced(received):
    check_received(None, received)
