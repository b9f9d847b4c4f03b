# SPDX-License-Identifier: Apache-2.0
"""When a worker that died is replaced, and how many there are."""

import os
import socket

import pytest

from estiva.app.seats import LONGEST_PAUSE, STEADY, Seat, Worker, count
from estiva.config import load_settings
from estiva.errors import SettingsInvalid


def worker(born, *, ready=True):
    ours, theirs = socket.socketpair()
    ours.close()
    theirs.close()
    return Worker(pid=1, channel=ours, slot=1, holder="a-1", born=born, departed=(), ready=ready)


def pauses(lives, *, ready=True):
    """Let workers live for such times, one after the other; return the pauses after them."""
    seat, now, found = Seat(0), 0.0, []
    for life in lives:
        seat.fill(worker(now, ready=ready))
        now += life
        found.append(seat.vacate(now))
        now += found[-1]
        assert seat.due == now
    return found


def test_the_first_death_costs_no_time_and_each_soon_after_it_twice_the_last():
    assert pauses([0.1] * 5) == [0, 0.25, 0.5, 1, 2]


def test_no_pause_is_longer_than_the_longest():
    assert pauses([0.1] * 20)[-1] == LONGEST_PAUSE


def test_who_has_served_for_a_while_dies_for_the_first_time():
    assert pauses([0.1, 0.1, STEADY, 0.1]) == [0, 0.25, 0, 0.25]


def test_who_never_served_fails_however_long_it_took():
    assert pauses([STEADY, STEADY, STEADY], ready=False) == [0, 0.25, 0.5]


def settings(text):
    return load_settings(None, {"ESTIVA_WORKERS": text}, {})


def test_auto_counts_the_cores_that_may_be_used():
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usable)})
    try:
        assert count(settings("auto")) == 1
    finally:
        os.sched_setaffinity(0, usable)


def test_a_number_is_taken_whatever_the_machine_has():
    assert count(settings("7")) == 7


@pytest.mark.parametrize("text", ["0", "9", "-1", "two", "1.5", "AUTO"])
def test_other_numbers_of_workers_are_refused(text):
    with pytest.raises(SettingsInvalid, match="ESTIVA_WORKERS"):
        settings(text)


def test_a_file_says_it_as_a_number_or_as_auto(tmp_path):
    file = tmp_path / "estiva.toml"
    for text, expected in (("3", 3), ('"auto"', 0)):
        file.write_text(f"workers = {text}\n")
        loaded = load_settings(file, {}, {})
        assert loaded.server.workers == expected
