# SPDX-License-Identifier: Apache-2.0
"""Every row of the table, in its order."""

from bench.crowded import IDLE, SLOW, CrowdRow, MemoryRow
from bench.distant import DELAY_MS, DistantRow
from bench.large import REPOSITORIES, TAGS, LargeRow, LookupRow
from bench.measuring import Row, Stage
from bench.own import OwnPushRow, OwnReadRow
from bench.plan import GIB, KIB, MIB, size_text
from bench.pushing import PUSHERS, FsyncRow, ImagesRow, PushRow
from bench.reading import RequestRow, StartRow, TagsRow, many_manifests, one_blob, one_manifest
from bench.streams import AT_ONCE, PARTS, ColdRow, PullRow, RangeRow


def all_rows(stage: Stage) -> list[Row]:
    """Return every row, in the order of the table."""
    return [
        *_requests(stage),
        *_pushes(stage),
        *_pulls(stage),
        StartRow(stage=stage, name="start", title="Start, and rest"),
        *_large(stage),
        *_crowds(stage),
        OwnReadRow(stage=stage, name="own-manifest", title="Manifest GET by tag, as `estiva bench` sees it"),
        OwnPushRow(stage=stage, name="own-push", title="16 MiB pushes, eight at once, as `estiva bench` sees them"),
    ]


def _requests(stage: Stage) -> list[Row]:
    tags, blob = stage.plan.count(20_000), 64 * KIB
    return [
        RequestRow(
            stage=stage,
            name="manifest",
            title="Manifest GET by tag, 32 connections, one tag in the repository",
            contents=one_manifest,
        ),
        TagsRow(
            stage=stage,
            name="manifest-tags",
            title=f"Manifest GET by tag, 32 connections, {tags:,} tags in the repository",
            contents=many_manifests(tags),
        ),
        RequestRow(
            stage=stage, name="blob", title=f"{size_text(blob)} blob GET, 32 connections", contents=one_blob(blob)
        ),
    ]


def _pushes(stage: Stage) -> list[Row]:
    push, layer = stage.plan.size(512 * MIB), stage.plan.size(MIB)
    return [
        PushRow(stage=stage, name="push", title=f"{size_text(push)} push, one stream", streams=1, largest=push),
        PushRow(stage=stage, name="push-4", title=f"{size_text(push)} push, four at once", streams=4, largest=push),
        ImagesRow(
            stage=stage,
            name="images",
            title=f"Small images ({size_text(layer)} layer, config, manifest), {PUSHERS} clients",
            largest=layer,
        ),
        FsyncRow(stage=stage, name="fsyncs", title="Durability calls, counted apart by strace", largest=layer),
    ]


def _pulls(stage: Stage) -> list[Row]:
    pull, half = stage.plan.size(GIB), stage.plan.size(GIB // 2)
    one, four = f"{size_text(pull)} download, one stream", f"{size_text(pull)} download, four at once"
    return [
        PullRow(stage=stage, name="pull", title=one, streams=1, repeats=3, largest=pull),
        PullRow(stage=stage, name="pull-4", title=four, streams=4, repeats=1, largest=pull),
        RangeRow(
            stage=stage,
            name="ranges",
            title=f"{size_text(pull)} download in {PARTS} parts, alone and {AT_ONCE} at once",
            streams=1,
            repeats=1,
            largest=pull,
        ),
        ColdRow(
            stage=stage,
            name="pull-cold",
            title=f"{size_text(half)} download, one stream, not in the page cache",
            streams=1,
            repeats=1,
            largest=half,
        ),
    ]


def _large(stage: Stage) -> list[Row]:
    tags, repositories = stage.plan.count(TAGS), stage.plan.count(REPOSITORIES)
    return [
        LargeRow(
            stage=stage,
            name="large",
            title=f"{tags:,} tags in one repository, {repositories:,} other repositories",
        ),
        LookupRow(stage=stage, name="lookup", title="One more look-up in the database, as authentication will need"),
    ]


def _crowds(stage: Stage) -> list[Row]:
    push, idle, slow = stage.plan.size(128 * MIB), stage.plan.count(IDLE), stage.plan.count(SLOW)
    large = stage.plan.size(512 * MIB)
    return [
        CrowdRow(
            stage=stage,
            name="crowd",
            title=f"Beside {idle:,} idle connections and {slow:,} uploads of one byte a second",
            largest=push,
        ),
        MemoryRow(stage=stage, name="memory", title=f"Memory; the large push has {size_text(large)}", largest=large),
        DistantRow(
            stage=stage,
            name="far",
            title=f"{DELAY_MS:.0f} ms away in each direction; {size_text(push)} pushed and pulled",
            largest=push,
        ),
    ]
