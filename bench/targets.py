# SPDX-License-Identifier: Apache-2.0
"""What Estiva is meant to reach, and whether a run says that it does.

Some targets speak of registries that cannot be installed here (zot). They are derived: zot was 13 times as fast as
docker-registry on manifests and 64 KiB blobs, and 1.5 times on small images with its `commit: true`, in a run that had
both; so 2x zot is 26x docker-registry, and so on. The table says so.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.results import Entry, Results, RowResult, Spread

Measure = Callable[[Results], Spread | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to reach: at least, or at most, a bound; `note` says what else must be known."""

    number: str
    text: str
    measure: Measure
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target and what a run says of it; `met` is None when the run cannot say."""

    target: Target
    measured: Spread | None
    met: bool | None


def judge(results: Results) -> list[Verdict]:
    """Return a verdict for every target whose row was run, or of which no row exists."""
    return [_verdict(target, results) for target in TARGETS]


def document(results: Results) -> dict[str, Any]:
    """Return the whole run with its verdicts, as JSON can carry it."""
    return {**results.document(), "targets": [_document(verdict) for verdict in judge(results)]}


def _document(verdict: Verdict) -> dict[str, Any]:
    target = verdict.target
    return {
        "number": target.number,
        "target": target.text,
        "at_least": target.at_least,
        "at_most": target.at_most,
        "note": target.note,
        "measured": asdict(verdict.measured) if verdict.measured else None,
        "met": verdict.met,
    }


def _verdict(target: Target, results: Results) -> Verdict:
    measured = target.measure(results)
    if measured is None:
        return Verdict(target=target, measured=None, met=None)
    enough = target.at_least is None or measured.median >= target.at_least
    little = target.at_most is None or measured.median <= target.at_most
    return Verdict(target=target, measured=measured, met=enough and little)


def figure_of(row: str, key: str) -> Measure:
    """Return Estiva's figure in a column."""

    def measure(results: Results) -> Spread | None:
        found = _row(results, row)
        return found.estiva.spread(key) if found and found.estiva else None

    return measure


def times(row: str, key: str, other: str) -> Measure:
    """Return how many times the figure of `other` Estiva's is: the ratios of each round."""

    def measure(results: Results) -> Spread | None:
        found = _row(results, row)
        theirs = _entry(found, other)
        if found is None or found.estiva is None or theirs is None:
            return None
        return _ratios(found.estiva, theirs, key, key)

    return measure


def growth(row: str, larger: str, key: str) -> Measure:
    """Return how many times its figure in `row` Estiva's figure in the row `larger` is."""

    def measure(results: Results) -> Spread | None:
        before, after = _row(results, row), _row(results, larger)
        if before is None or after is None or before.estiva is None or after.estiva is None:
            return None
        return _ratios(after.estiva, before.estiva, key, key)

    return measure


def within(row: str, larger: str, smaller: str) -> Measure:
    """Return how many times Estiva's column `smaller` its column `larger` is, in one row."""

    def measure(results: Results) -> Spread | None:
        found = _row(results, row)
        return _ratios(found.estiva, found.estiva, larger, smaller) if found and found.estiva else None

    return measure


def with_lookup(results: Results) -> Spread | None:
    """Return the CPU time of a manifest with one more look-up."""
    plain, more = figure_of("manifest", "cpu")(results), figure_of("lookup", "cpu")(results)
    if plain is None or more is None:
        return None
    return Spread(median=plain.median + more.median, low=plain.low + more.low, high=plain.high + more.high)


def _ratios(ours: Entry, theirs: Entry, key: str, other_key: str) -> Spread | None:
    pairs = zip(ours.samples, theirs.samples, strict=False)
    known = [(above.figures.get(key), below.figures.get(other_key)) for above, below in pairs]
    return Spread.of([above / below for above, below in known if above is not None and below])


def _row(results: Results, name: str) -> RowResult | None:
    return next((row for row in results.rows if row.name == name), None)


def _entry(row: RowResult | None, name: str) -> Entry | None:
    entries = row.entries if row else []
    return next((entry for entry in entries if entry.contender.name == name), None)


def _nothing(_: Results) -> Spread | None:
    return None


_OLD, _NEW, _FILES = "docker-registry", "distribution-3", "nginx"
_ZOT = "derived from docker-registry of the same run"

TARGETS = (
    Target(number="P1", text="manifests: 25x docker-registry", measure=times("manifest", "rate", _OLD), at_least=25),
    Target(
        number="P1",
        text="manifests: 2x zot, that is 26x docker-registry",
        measure=times("manifest", "rate", _OLD),
        at_least=26,
        note=_ZOT,
    ),
    Target(number="P1", text="CPU-ms per 1,000 manifests", measure=figure_of("manifest", "cpu"), at_most=20),
    Target(
        number="P1",
        text="CPU-ms per 1,000 manifests and a look-up each",
        measure=with_lookup,
        at_most=20,
        note="a stand-in for authentication",
    ),
    Target(number="P1", text="p99 of a manifest, ms", measure=figure_of("manifest", "p99"), at_most=5),
    Target(
        number="P1",
        text="CPU-ms with 20,000 tags, times that with one",
        measure=growth("manifest", "manifest-tags", "cpu"),
        at_most=1.1,
        note="one tag asked for",
    ),
    Target(
        number="P1",
        text="CPU-ms with a million tags, times that with one",
        measure=growth("manifest", "large", "cpu"),
        at_most=1.1,
        note="one tag asked for",
    ),
    Target(
        number="P1",
        text="CPU-ms with a million tags, times that with 20,000",
        measure=growth("manifest-tags", "large", "each-cpu"),
        at_most=1.1,
        note="each tag in turn",
    ),
    Target(
        number="P1",
        text="CPU-ms of each of 20,000 tags in turn, times that of one tag again and again",
        measure=within("manifest-tags", "each-cpu", "cpu"),
        at_most=1.1,
        note="what is asked for again is remembered while nothing changes",
    ),
    Target(
        number="P1",
        text="Basic: 0.8x Bearer",
        measure=_nothing,
        at_least=0.8,
        note="there is no authentication yet",
    ),
    Target(number="P2", text="download: 1x nginx", measure=times("pull", "rate", _FILES), at_least=1),
    Target(number="P2", text="its CPU-s per GiB, times nginx's", measure=times("pull", "cpu", _FILES), at_most=1.3),
    Target(number="P2", text="four downloads: 1x nginx", measure=times("pull-4", "rate", _FILES), at_least=1),
    Target(number="P2", text="their CPU-s per GiB, times nginx's", measure=times("pull-4", "cpu", _FILES), at_most=1.3),
    Target(number="P2", text="ranges: 1x nginx", measure=times("ranges", "rate", _FILES), at_least=1),
    Target(
        number="P2",
        text="several ranges at once: 0.9x single ones",
        measure=within("ranges", "several", "rate"),
        at_least=0.9,
    ),
    Target(number="P2", text="cold download: 1x nginx", measure=times("pull-cold", "rate", _FILES), at_least=1),
    Target(number="P2", text="TLS: 1x nginx", measure=_nothing, at_least=1, note="there is no TLS yet"),
    Target(
        number="P3",
        text="64 KiB blobs: 1x zot, that is 13x docker-registry",
        measure=times("blob", "rate", _OLD),
        at_least=13,
        note=_ZOT,
    ),
    Target(number="P4", text="push: 1x distribution 3", measure=times("push", "rate", _NEW), at_least=1),
    Target(number="P4", text="CPU-s per GiB pushed", measure=figure_of("push", "cpu"), at_most=1.35),
    Target(number="P4", text="four pushes: 1x distribution 3", measure=times("push-4", "rate", _NEW), at_least=1),
    Target(number="P5", text="small images: 2x distribution 3", measure=times("images", "rate", _NEW), at_least=2),
    Target(
        number="P5",
        text="small images: 1.5x zot +fsync, that is 2.3x docker-registry",
        measure=times("images", "rate", _OLD),
        at_least=2.3,
        note=_ZOT,
    ),
    Target(number="P6", text="page of tags of a million, p99, ms", measure=figure_of("large", "tags"), at_most=5),
    Target(number="P6", text="page of 100,000 repositories, p99, ms", measure=figure_of("large", "catalog"), at_most=5),
    Target(number="P6", text="a million tags listed, s", measure=figure_of("large", "list"), at_most=3),
    Target(number="P6", text="memory for that, MiB", measure=figure_of("large", "list-memory"), at_most=16),
    Target(number="P6", text="one more tag, ms", measure=figure_of("large", "put"), at_most=10),
    Target(number="P6", text="delete a manifest, ms", measure=figure_of("large", "delete"), at_most=10),
    Target(number="P7", text="idle worker, MiB", measure=figure_of("memory", "rest"), at_most=80),
    Target(number="P7", text="KiB per idle connection", measure=figure_of("memory", "idle"), at_most=128),
    Target(number="P7", text="KiB per slow upload", measure=figure_of("memory", "upload"), at_most=128),
    Target(number="P7", text="KiB per unread download", measure=figure_of("memory", "download"), at_most=128),
    Target(number="P7", text="growth in a push of 512 MiB, MiB", measure=figure_of("memory", "large"), at_most=64),
    Target(number="P8", text="start with a million tags, ms", measure=figure_of("large", "start"), at_most=1000),
    Target(number="P8", text="the same after kill -9, ms", measure=figure_of("large", "killed"), at_most=1000),
    Target(
        number="crowd",
        text="p99 of a manifest beside a crowd, times quiet",
        measure=figure_of("crowd", "times"),
        at_most=2,
    ),
    Target(
        number="crowd",
        text="a push beside a crowd takes times as long",
        measure=figure_of("crowd", "slower"),
        at_most=2,
    ),
    Target(
        number="far",
        text="manifests over a 1 ms wire: 1x docker-registry",
        measure=times("far", "rate", _OLD),
        at_least=1,
    ),
    Target(
        number="far", text="push over a 1 ms wire: 1x docker-registry", measure=times("far", "push", _OLD), at_least=1
    ),
)
"""In the order of the table."""
