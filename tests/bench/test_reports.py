# SPDX-License-Identifier: Apache-2.0
"""What is derived from samples, and how it is shown."""

import json
from xml.etree import ElementTree as ET

import pytest

from bench.charts import draw_all
from bench.contenders import Contender, Role, find
from bench.fsyncs import parse as parse_strace
from bench.plan import BenchError, size_text
from bench.results import Better, Column, Entry, Results, RowResult, Sample
from bench.tables import figure, markdown
from bench.wrk import parse as parse_wrk

from .conditions import CONDITIONS

RATE = Column(key="rate", title="requests/s", better=Better.HIGHER, shown=True)
CPU = Column(key="cpu", title="CPU-ms per 1,000", shown=True)


def contender(name, role):
    return Contender(
        name=name, role=role, version="1", about="a <test>", works=frozenset(), command=lambda *_: [], shelf=None
    )


def entry(name, role, rates, cpus):
    samples = [Sample(figures={"rate": r, "cpu": c}, foreign=0.02) for r, c in zip(rates, cpus, strict=True)]
    return Entry(contender=contender(name, role), samples=samples)


@pytest.fixture
def row():
    entries = [
        entry("estiva", Role.ESTIVA, [300.0, 200.0, 400.0], [2.0, 2.0, 2.0]),
        entry("other", Role.PEER, [100.0, 100.0, 100.0], [6.0, 4.0, 8.0]),
        entry("limit", Role.CEILING, [9000.0, 9000.0, 9000.0], [1.0, 1.0, 1.0]),
        Entry(contender=contender("broken", Role.PEER), failure="it fell over"),
    ]
    return RowResult(name="row", title="A row & more", columns=(RATE, CPU), entries=entries)


@pytest.fixture
def results(row):
    return Results(conditions=CONDITIONS, rows=[row])


def test_an_advantage_is_the_median_of_the_ratios_of_each_round(row):
    spread = row.advantage(row.entries[1], RATE)

    assert (spread.median, spread.low, spread.high) == (3.0, 2.0, 4.0)


def test_where_less_is_better_an_advantage_is_turned_round(row):
    assert row.advantage(row.entries[1], CPU).median == 3.0


def test_estiva_has_no_advantage_over_itself(row):
    assert row.advantage(row.entries[0], RATE) is None


def test_one_failure_makes_a_run_incomplete(results):
    assert not results.complete


def test_the_document_survives_json(results):
    told = json.loads(json.dumps(results.document()))

    assert told["rows"][0]["contenders"][1]["estiva_is_better_by"]["rate"]["median"] == 3.0
    assert told["rows"][0]["contenders"][3]["figures"]["rate"] is None


def test_the_table_shows_median_spread_ratio_and_failure(results):
    text = markdown(results, charts=False)

    assert "| **estiva** | 300 (200 - 400) | 2.00 |" in text
    assert "| A row & more | 3.00x, 3.00x | 0.0333x, 0.5x | - |" in text
    assert "broken failed: it fell over" in text


def test_every_drawing_is_well_formed_and_self_contained(results):
    drawings = draw_all(results)

    assert sorted(drawings) == ["cpu-dark.svg", "cpu-light.svg", "speed-dark.svg", "speed-light.svg"]
    for text in drawings.values():
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "href" not in text
        assert "<style" not in text


def test_a_ceiling_far_above_is_cut_off(results):
    texts = ET.fromstring(draw_all(results)["speed-light.svg"]).itertext()

    assert "9,000 \N{RIGHTWARDS ARROW}" in list(texts)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00"), (0.0123, "0.0123"), (1.5, "1.50"), (12.34, "12.3"), (12345.6, "12,346")]
)
def test_figures_have_three_digits(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(("size", "text"), [(65536, "64 KiB"), (1 << 30, "1 GiB"), (1000, "1000 bytes")])
def test_sizes_take_the_largest_whole_unit(size, text):
    assert size_text(size) == text


def test_what_wrk_reports_is_read_from_its_last_line():
    output = 'Running ...\n{"requests": 1000, "microseconds": 500000, "failed": 0, "p50": 1500, "p99": 9000}\n'

    rate = parse_wrk(output, 0.25)

    assert (rate.requests, rate.seconds, rate.p50_ms, rate.p99_ms, rate.cpu) == (1000, 0.5, 1.5, 9.0, 0.25)


def test_a_rate_with_failures_is_no_rate():
    with pytest.raises(BenchError, match="7 of 1000"):
        parse_wrk('{"requests": 1000, "microseconds": 1, "failed": 7, "p50": 1, "p99": 1}', 0.0)


def test_the_summary_of_strace_is_read_with_and_without_errors():
    table = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.010000         100       100           fsync
 10.00    0.001000          50        20         2 fdatasync
------ ----------- ----------- --------- --------- ----------------
100.00    0.011000          91       120         2 total
"""

    assert parse_strace(table) == {"fsync": 100, "fdatasync": 20}


@pytest.mark.parametrize("text", ["zot", "zot=serve", "a b=serve {port}", "=serve {port}"])
def test_a_peer_without_name_or_port_is_refused(text):
    with pytest.raises(BenchError, match="NAME=COMMAND"):
        find([text], set())


def test_a_peer_gets_its_port_and_directory(tmp_path):
    contenders, _ = find(["mine=serve --at :{port} --in '{dir}/x y'"], set())
    mine = next(each for each in contenders if each.name == "mine")

    assert mine.command(tmp_path, 99) == ["serve", "--at", ":99", "--in", f"{tmp_path}/x y"]
