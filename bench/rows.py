# SPDX-License-Identifier: Apache-2.0
"""Every row of the table, in its order."""

from bench.measuring import Row, Stage
from bench.plan import GIB, KIB, MIB, size_text
from bench.pushing import PUSHERS, FsyncRow, ImagesRow, PushRow
from bench.reading import PullRow, RequestRow, StartRow, many_manifests, one_blob, one_manifest


def all_rows(stage: Stage) -> list[Row]:
    """Return every row, in the order of the table."""
    return [
        *_requests(stage),
        *_pushes(stage),
        *_pulls(stage),
        StartRow(stage=stage, name="start", title="Start, and rest"),
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
        RequestRow(
            stage=stage,
            name="manifest-tags",
            title=f"Manifest GET by tag, 32 connections, {tags:,} tags in the repository, all of them asked for",
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
    pull = stage.plan.size(GIB)
    one, four = f"{size_text(pull)} download, one stream", f"{size_text(pull)} download, four at once"
    return [
        PullRow(stage=stage, name="pull", title=one, streams=1, repeats=4, largest=pull),
        PullRow(stage=stage, name="pull-4", title=four, streams=4, repeats=2, largest=pull),
    ]
