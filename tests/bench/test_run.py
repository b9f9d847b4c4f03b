# SPDX-License-Identifier: Apache-2.0
"""The benchmark itself, run small."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from bench.bodies import Payload
from bench.clients import ImagePusher, pushing, run_together
from bench.contenders import find
from bench.crowded import Crowd
from bench.distant import relayed
from bench.plan import CHUNK, MIB, BenchError
from bench.streams import forget
from bench.wire import Connection

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sink(tmp_path):
    contenders, _ = find([], {"estiva"})
    with next(each for each in contenders if each.name == "sink").server(tmp_path / "sink") as server:
        yield server


@pytest.fixture
def payload(tmp_path):
    return Payload.write(tmp_path / "payload", MIB)


def test_clients_push_together_and_report_every_unit(sink, payload):
    body = payload.body(MIB, "x")

    outcome = run_together([pushing(sink.port, "a/b", body)] * 3)

    assert len(outcome.units) == 3
    assert outcome.seconds >= max(outcome.units)


def test_an_image_pusher_stops_at_its_limit(sink, payload):
    pusher = ImagePusher(
        port=sink.port, repository="a/b", payload=payload.path, layer=2 * CHUNK, mark="m", seconds=60, limit=4
    )

    assert len(run_together([pusher]).units) == 4


def test_a_client_that_fails_ends_the_measurement(payload):
    with pytest.raises(BenchError, match="ConnectionRefused"):
        run_together([pushing(1, "a/b", payload.body(CHUNK, "x"))] * 2)


def test_the_accounts_of_a_server_hold_its_children(sink, payload):
    before = sink.cpu_seconds()
    with Connection(sink.port) as connection:
        for number in range(3000):
            connection.request("HEAD", f"/v2/a/blobs/{number}")
        assert len(sink.pids()) == 2
        assert sink.cpu_seconds() > before
    assert sink.resident_bytes() > MIB


def test_a_server_that_ends_at_once_is_said_with_its_log(tmp_path):
    contenders, _ = find(["false=sh -c 'echo no room; exit 3' {port}"], {"estiva"})
    broken = next(each for each in contenders if each.name == "false")

    with pytest.raises(BenchError, match="no room"):
        broken.server(tmp_path / "false").__enter__()


REGISTRIES = ("--skip", "estiva", "--skip", "estiva-1", "--skip", "docker-registry", "--skip", "distribution-3")


def bench(*arguments, skip=REGISTRIES):
    command = [sys.executable, "-m", "bench", *skip, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)


def test_the_relay_passes_on_every_byte_in_order(sink, payload):
    body = payload.body(MIB, "x")

    with relayed(sink.port) as port:
        outcome = run_together([pushing(port, "a/b", body)] * 4)

    # POST, PATCH and PUT wait for an answer each: six times a millisecond at the least.
    assert min(outcome.units) >= 0.006


def test_a_crowd_rests_and_drips_until_it_is_left(sink):
    with Crowd(sink.port, idle=3, slow=0):
        assert len(sink.pids()) == 4


def test_files_are_forgotten_and_still_read(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"kept")

    forget(tmp_path)

    assert (tmp_path / "a" / "b").read_bytes() == b"kept"


@pytest.mark.parametrize(
    "row", ["ranges", "pull-cold", "large", "lookup", "crowd", "memory", "far", "own-manifest", "own-push"]
)
def test_a_row_of_its_own_way_of_measuring_works(tmp_path, row):
    told = bench(
        *("--quick", "--rounds", "1", "--scale", "0.001", "--only", row, "--json"),
        *("--directory", str(tmp_path), "--output", str(tmp_path / "report")),
        skip=("--skip", "docker-registry", "--skip", "distribution-3"),
    )

    assert told.returncode == 0, told.stderr
    [measured] = json.loads(told.stdout)["rows"]
    columns = {column["key"] for column in measured["columns"]}
    ours = next(each for each in measured["contenders"] if each["name"] == "estiva")
    assert columns == set(ours["samples"][0]) - {"foreign"}


def test_a_small_run_writes_a_report_that_names_neither_host_nor_path(tmp_path):
    told = bench(
        *("--quick", "--scale", "0.001", "--only", "push", "--only", "images", "--json"),
        *("--directory", str(tmp_path), "--output", str(tmp_path / "report")),
    )

    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    assert [row["name"] for row in document["rows"]] == ["push", "images"]
    assert [len(each["samples"]) for row in document["rows"] for each in row["contenders"]] == [2, 2]
    written = "".join(path.read_text() for path in (tmp_path / "report").iterdir())
    assert str(ROOT) not in written
    assert str(tmp_path) not in written
    assert f'"{platform.node()}"' not in written
    assert [path for path in tmp_path.iterdir() if path.name.startswith("estiva-bench")] == []


def test_an_unknown_row_is_refused_with_the_known_ones():
    told = bench("--only", "nonsense")

    assert told.returncode == 1
    assert "manifest-tags" in told.stderr


def test_a_contender_that_fails_does_not_end_the_others(tmp_path):
    told = bench(
        *("--quick", "--scale", "0.001", "--only", "push", "--peer", "broken=false {port}", "--json"),
        *("--directory", str(tmp_path), "--output", str(tmp_path / "report")),
    )

    failures = {each["name"]: each["failure"] for each in json.loads(told.stdout)["rows"][0]["contenders"]}
    assert told.returncode == 1
    assert failures == {"broken": "broken did not come up", "sink": ""}


def test_every_row_is_described_for_readers():
    text = (ROOT / "docs" / "benchmarks" / "README.md").read_text()
    refusal = bench("--only", "?").stderr
    names = refusal.split("rows are ")[1].replace("\n", " ").split(", ")

    assert [name for name in names if f"`{name.strip()}`" not in text] == []
