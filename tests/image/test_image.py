# SPDX-License-Identifier: Apache-2.0
"""The container image: built without a network, run as strictly as can be, with docker and with podman."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clients.layouts import tarball
from clients.registries import Registry
from estiva import __version__

from .containers import IMAGE, Engine, free_port

pytestmark = pytest.mark.clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A container of the image that serves, and how it was started."""

    engine: Engine
    name: str
    settings: dict[str, str]
    registry: Registry


@pytest.fixture
def container(engine: Engine, name: str) -> Iterator[Running]:
    settings = {"ESTIVA_OPEN": "anywhere", "ESTIVA_PORT": free_port()}
    with engine.running(name, name, settings, "--health-interval=1s") as registry:
        yield Running(engine=engine, name=name, settings=settings, registry=registry)


def test_the_image_says_what_it_is_and_how_it_is_run(engine: Engine) -> None:
    config = engine.config(IMAGE)
    assert config["User"] == "10001:10001"
    assert set(config["Volumes"]) == {"/var/lib/estiva"}
    assert set(config["ExposedPorts"]) == {"5000/tcp"}
    assert config["Entrypoint"] == ["estiva"]
    assert config["Cmd"] == ["serve"]
    assert config["Labels"]["org.opencontainers.image.version"] == __version__


def test_both_tags_are_one_image(engine: Engine) -> None:
    assert engine.identity(f"estiva:{__version__}") == engine.identity(IMAGE)


def test_without_being_called_open_it_ends_at_once_and_says_how_to_call_it_open(engine: Engine) -> None:
    assert "ESTIVA_OPEN=anywhere" in engine.client.refused("run", "--rm", "--network=host", "--read-only", IMAGE)


def test_every_command_runs_in_it(engine: Engine) -> None:
    assert engine.client("run", "--rm", "--network=none", IMAGE, "--version") == f"estiva {__version__}\n"


def test_it_can_use_postgresql(engine: Engine) -> None:
    command = ["--entrypoint=python", IMAGE, "-c", "import asyncpg, greenlet"]
    engine.client("run", "--rm", "--network=none", *command)


def test_it_holds_bytecode_of_all_that_the_server_loads(engine: Engine) -> None:
    loads = "import estiva.app, estiva.cli.commands, estiva.db.sqlite"
    told = engine.client.told("run", "--rm", "--network=none", "--entrypoint=python", IMAGE, "-v", "-c", loads)
    compiled = [line for line in told.splitlines() if line.startswith("# code object from") and line.endswith(".py'")]
    assert compiled == []


def test_it_runs_as_nobody_in_particular_and_writes_to_its_volume_alone(container: Running) -> None:
    client, name = container.engine.client, container.name
    assert client("exec", name, "id", "-u") == "10001\n"
    assert "Read-only" in client.refused("exec", name, "touch", "/opt/estiva/more")
    client("exec", name, "touch", "/var/lib/estiva/more")


def test_it_turns_healthy(container: Running) -> None:
    container.engine.wait_until_healthy(container.name)


def test_its_health_check_fails_when_nobody_answers(container: Running) -> None:
    client = container.engine.client
    refusal = client.refused("exec", f"--env=ESTIVA_PORT={free_port()}", container.name, "estiva-healthcheck")
    assert "refused" in refusal


def test_its_own_image_is_pushed_to_it_and_pulled_from_it_and_runs(container: Running) -> None:
    engine, name = container.engine, f"{container.registry}/tools/estiva:{container.name}"
    before = engine.identity(IMAGE)
    engine.client("tag", IMAGE, name)
    engine.client("push", *engine.insecure, name)
    engine.client("rmi", name)
    engine.client("pull", *engine.insecure, name)
    assert engine.identity(name) == before
    assert engine.client("run", "--rm", "--network=none", name, "--version") == f"estiva {__version__}\n"


def test_it_stops_when_told_to_and_keeps_everything(container: Running, tmp_path: Path) -> None:
    engine, name, registry = container.engine, container.name, container.registry
    (tmp_path / "small.tar").write_bytes(tarball({"greeting": b"good day\n"}))
    engine.client("import", tmp_path / "small.tar", f"{registry}/kept:1")
    engine.client("push", *engine.insecure, f"{registry}/kept:1")
    digest = registry.digest("kept", "1")
    (layer,) = registry.manifest("kept", "1")["layers"]
    assert engine.stop(name) == 0
    assert engine.start(name).digest("kept", "1") == digest
    assert engine.stop(name) == 0
    with engine.running(f"{name}-next", name, container.settings) as successor:
        assert successor.digest("kept", "1") == digest
        assert successor.holds_blob("kept", layer["digest"])


def test_its_log_is_json(container: Running) -> None:
    container.registry.ask("GET", "/v2/")
    container.engine.wait_until_it_logs(container.name, "access")
    lines = container.engine.logs(container.name).splitlines()
    assert {json.loads(line)["event"] for line in lines} >= {"listening", "open_anywhere", "access"}
