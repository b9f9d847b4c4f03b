# SPDX-License-Identifier: Apache-2.0
"""The numbers of several processes as one."""

import asyncio
import os
import signal
import time
from itertools import product

import pytest
from prometheus_client.parser import text_string_to_metric_families

from estiva.telemetry.board import HALF, Board
from estiva.telemetry.metrics import Metrics
from estiva.telemetry.tally import Counters, Gauges, Tally
from estiva.telemetry.watchdog import EVERY, STALL, Watchdog


def read(metrics):
    body, _ = metrics.render()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def requests(count):
    return Tally(counters=Counters(received=count))


@pytest.fixture
def board():
    return Board(3)


def test_a_slot_that_nobody_wrote_to_is_empty(board):
    assert board.read(1) == Tally()


def test_what_was_written_last_is_read(board):
    for count in range(5):
        board.write(1, requests(count))
        assert board.read(1).counters.received == count
    assert board.read(2) == Tally()


def test_a_half_that_was_spoiled_does_not_count(board):
    board.write(1, requests(7))
    board.write(1, requests(8))
    place = board._place(1, 0)
    board._memory[place + 40] ^= 1
    assert board.read(1).counters.received == 7
    board.write(1, requests(9))
    assert board.read(1).counters.received == 9


def test_what_cannot_be_read_any_more_is_what_it_was(board):
    board.write(1, requests(7))
    assert board.read(1).counters.received == 7
    for half in (0, 1):
        board._memory[board._place(1, half) + 40] ^= 1
    assert board.read(1).counters.received == 7


def test_the_largest_numbers_have_room(board):
    endpoints, methods = [f"an_endpoint_{number}" for number in range(20)], [f"METHOD{number}" for number in range(9)]
    keys = list(product(endpoints, methods, range(400, 430)))
    tally = Tally(counters=Counters(requests=dict.fromkeys(keys, 2**40)))
    board.write(1, tally)
    assert board.read(1) == tally


def test_numbers_that_have_no_room_leave_the_earlier_ones(board):
    board.write(1, requests(7))
    board.write(1, Tally(counters=Counters(faults={"x" * HALF: 1})))
    assert board.read(1).counters.received == 7


def test_a_process_that_is_buried_keeps_its_counters_only(board):
    board.write(1, Tally(counters=Counters(received=7), gauges=Gauges(connections=3), pid=12))
    board.bury(1)
    assert board.read(1) == Tally(counters=Counters(received=7))


def last_seen(board, seconds):
    """Read for a while, and return what was read last; nothing may be torn or go back."""
    seen, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        counters = board.read(1).counters
        assert counters.received == counters.sent == counters.refused.get("x", 0)
        assert counters.received >= seen
        seen = counters.received
    return seen


def test_a_reader_beside_a_writer_never_sees_a_number_go_back(board):
    """The writer is killed in the middle of it, whatever it is doing."""
    child = os.fork()
    if child == 0:
        for count in range(1_000_000_000):
            board.write(1, Tally(counters=Counters(received=count, sent=count, refused={"x": count})))
    try:
        seen = last_seen(board, 1.0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    board.bury(1)
    assert board.read(1).counters.received >= seen > 0


def test_each_shows_the_sum(board):
    first, second = Metrics(board, 0), Metrics(board, 1)
    for metrics in (first, second):
        metrics.answered("blob", "GET", 200, 0.002)
        metrics.transferred(received=3, sent=5)
        metrics.in_flight(2)
        metrics.serving(1)
        metrics.publish()
    assert {key: read(first)[key] for key in read(first) if key[0].startswith("estiva")} == {
        key: read(second)[key] for key in read(second) if key[0].startswith("estiva")
    }
    samples = read(first)
    assert samples["estiva_requests_total", "blob", "GET", "200"] == 2
    assert samples["estiva_request_duration_seconds_count", "blob"] == 2
    assert samples["estiva_request_duration_seconds_sum", "blob"] == pytest.approx(0.004)
    assert (samples["estiva_requests_in_flight",], samples["estiva_workers",]) == (4, 2)


def test_a_successor_goes_on_from_the_counters_of_the_one_before(board):
    Metrics(board, 0).publish()
    before = Metrics(board, 1)
    before.answered("blob", "GET", 200, 0.002)
    before.in_flight(2)
    before.publish()
    board.bury(1)
    after = Metrics(board, 1)
    after.answered("blob", "GET", 200, 0.002)
    samples = read(after)
    assert samples["estiva_requests_total", "blob", "GET", "200"] == 2
    assert samples["estiva_requests_in_flight",] == 0
    assert samples["process_cpu_seconds_total",] > 0


def test_the_worst_lag_is_shown_and_forgotten_with_the_second(board):
    first, second = Metrics(board, 0), Metrics(board, 1)
    first.loop_lagged(0.2, stalled=True)
    first.loop_lagged(0.1, stalled=False)
    first.publish()
    assert read(second)["estiva_event_loop_lag_seconds",] == 0.2
    assert read(second)["estiva_event_loop_stalls_total",] == 1
    first.publish()
    assert read(second)["estiva_event_loop_lag_seconds",] == 0
    assert read(second)["estiva_event_loop_stalls_total",] == 1


async def test_a_loop_that_was_blocked_is_noticed():
    """With a clock that jumps, since a busy machine is late by itself."""
    metrics, clock = Metrics(), iter([0.0, EVERY + STALL / 2, 1.0, 1.0 + EVERY + 2 * STALL, *[2.0] * 1000])
    watchdog = Watchdog(metrics, lambda: next(clock))
    watchdog.start()
    async with asyncio.timeout(20):
        while read(metrics)["estiva_event_loop_stalls_total",] == 0:
            await asyncio.sleep(0.01)
    watchdog.stop()
    samples = read(metrics)
    assert samples["estiva_event_loop_stalls_total",] == 1
    assert samples["estiva_event_loop_lag_seconds",] == pytest.approx(2 * STALL)


def test_the_memory_of_this_process_is_told():
    samples = read(Metrics())
    assert samples["process_resident_memory_bytes",] > 10_000_000
    assert samples["process_open_fds",] >= 3
    assert samples["process_start_time_seconds",] == pytest.approx(time.time(), abs=24 * 3600)
