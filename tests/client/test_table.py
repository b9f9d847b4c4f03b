# SPDX-License-Identifier: Apache-2.0
"""What people see of a run fits their terminal, and says what is so."""

import io
import re

import pytest
from rich.console import Console

from estiva.client.address import Address
from estiva.client.display import Display
from estiva.client.load import Phase
from estiva.client.removal import Removal
from estiva.client.table import show
from estiva.client.tally import Tally
from estiva.client.trial import Plan, Report

FIGURES = ["1,234", "1,294", "done", "failed", "p99 ms"]


def plan(connections=16, processes=2):
    return Plan(
        address=Address.parse("http://127.0.0.1:5000"),
        repository="estiva-bench",
        credentials=None,
        phases=list(Phase),
        seconds=5,
        connections=connections,
        processes=processes,
        size=1 << 20,
        most=1 << 30,
    )


def report(plan, **more):
    tally = Tally(done=12_340, bytes=12_340 << 20, started=1, finished=11)
    return Report(plan=plan, tallies={Phase.PUSH: tally, Phase.PULL: tally}, **more)


def shown(report, width=120, *, terminal=True):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    show(report, console)
    return console.file.getvalue()


@pytest.mark.parametrize(("width", "terminal"), [(20, False), (40, True), (66, True), (120, True)])
def test_every_figure_is_told_at_any_width(width, terminal):
    text = shown(report(plan()), width, terminal=terminal)

    assert [figure for figure in FIGURES if figure not in text] == []
    assert "…" not in text


def test_a_narrow_terminal_is_not_overrun():
    lines = shown(report(plan()), 40).splitlines()

    assert max(len(line) for line in lines if "http" not in line) <= 40


@pytest.mark.parametrize(
    ("counts", "text"),
    [((1, 1), "(1 connection, 1 process)"), ((2, 2), "(2 connections, 2 processes)")],
)
def test_one_is_told_as_one(counts, text):
    assert text in shown(report(plan(*counts)))


def test_of_deleted_things_no_more_is_promised_than_is_known():
    text = shown(report(plan(), removal=Removal(removed=603, left=2, reason="deleting [x] was answered with 405")))

    assert "Deleted again: 603 manifests, blobs and uploads." in text
    assert "may keep their room until it collects garbage" in text
    assert "2 manifests, blobs and uploads (deleting [x] was answered with 405)" in text


def test_what_is_over_is_not_in_the_last_frame():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with Display(plan(), console) as display:
        display.begin("looking")
        display.measuring(Phase.PUSH)(1.0, 10, 1 << 20)
        display.begin("removing")
        display.removing(1, 2)
    last = re.split(r"\x1b\[\d*A", console.file.getvalue())[-1]

    assert "push 1MiB" in last
    assert "looking" not in last
    assert "removing" not in last


def test_a_terminal_that_is_gone_ends_nothing():
    class Gone(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

    with Display(plan(), Console(file=Gone(), force_terminal=True)) as display:
        display.begin("looking")
        display.measuring(Phase.PUSH)(1.0, 10, 1 << 20)
        display.begin("removing")
        display.removing(1, 2)
