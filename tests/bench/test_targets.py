# SPDX-License-Identifier: Apache-2.0
"""What a run says of the targets."""

import json

import pytest

from bench.contenders import Contender, Role
from bench.measuring import Stage
from bench.plan import Plan
from bench.results import Column, Entry, Results, RowResult, Sample
from bench.rows import all_rows
from bench.tables import markdown
from bench.targets import TARGETS, document, judge

from .conditions import CONDITIONS


def entry(name, *rounds):
    return Entry(
        contender=Contender(
            name=name,
            role=Role.ESTIVA if name == "estiva" else Role.PEER,
            version="1",
            about="",
            works=frozenset(),
            command=lambda *_: [],
            shelf=None,
        ),
        samples=[Sample(figures=figures, foreign=None) for figures in rounds],
    )


def row(name, **rounds):
    """Return a row in which a contender's rate and CPU time are the same figure, one for each round."""
    entries = [
        entry(who.replace("_", "-"), *({"rate": figure, "cpu": figure} for figure in figures))
        for who, figures in rounds.items()
    ]
    return RowResult(name=name, title=name, columns=(Column(key="rate", title="x"),), entries=entries)


def verdicts(*rows):
    results = Results(conditions=CONDITIONS, rows=list(rows))
    return {verdict.target.text: verdict for verdict in judge(results)}


def test_a_ratio_is_the_median_of_the_ratios_of_each_round():
    found = verdicts(row("manifest", estiva=[300.0, 1000.0, 100.0], docker_registry=[10.0, 20.0, 10.0]))

    verdict = found["manifests: 25x docker-registry"]
    assert (verdict.measured.median, verdict.measured.low, verdict.measured.high) == (30.0, 10.0, 50.0)
    assert verdict.met


@pytest.mark.parametrize(("cpu", "met"), [(19.9, True), (20.0, True), (20.1, False)])
def test_a_bound_may_be_reached_and_not_passed(cpu, met):
    assert verdicts(row("manifest", estiva=[cpu]))["CPU-ms per 1,000 manifests"].met is met


def test_what_was_not_run_is_neither_met_nor_missed():
    found = verdicts(row("manifest", estiva=[1.0]))

    assert found["manifests: 25x docker-registry"].met is None
    assert found["push: 1x distribution 3"].met is None


def test_figures_of_two_rows_are_compared():
    found = verdicts(row("manifest", estiva=[10.0, 10.0]), row("large", estiva=[11.0, 13.0]))

    assert found["CPU-ms with a million tags, times that with one"].measured.median == pytest.approx(1.2)


def test_a_derived_target_says_so():
    assert [target.text for target in TARGETS if "zot" in target.text and "derived" not in target.note] == []


def test_the_table_shows_what_is_missed():
    results = Results(conditions=CONDITIONS, rows=[row("manifest", estiva=[30.0], docker_registry=[10.0])])

    text = markdown(results, charts=False)
    assert "| P1 | CPU-ms per 1,000 manifests: <= 20 | 30.0 | **missed** |" in text
    assert json.loads(json.dumps(document(results)))["targets"][2]["met"] is False


def test_every_target_can_be_judged_from_the_rows_and_columns_that_there_are(tmp_path):
    """Those alone without a figure are the ones of which no row exists."""
    names = ("estiva", "docker-registry", "distribution-3", "nginx")
    rows = [
        RowResult(
            name=each.name,
            title=each.title,
            columns=each.columns,
            entries=[entry(name, dict.fromkeys([column.key for column in each.columns], 1.0)) for name in names],
        )
        for each in all_rows(Stage(Plan(directory=tmp_path)))
    ]

    unknown = [verdict.target.text for verdict in verdicts(*rows).values() if verdict.met is None]
    assert unknown == ["Basic: 0.8x Bearer", "TLS: 1x nginx"]
