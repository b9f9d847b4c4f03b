# SPDX-License-Identifier: Apache-2.0
"""What keeps a server from starting is told in a sentence with its cure, and exit code 2."""

import os
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from harness.client import connect
from harness.content import blob, digest
from harness.process import run, serving
from tests.clients.programs import missing, needed

LOOPBACK = ("--open", "--port", "0")


def refused(*arguments, settings=None, wrapper=()):
    """Try to serve, and return what was said when that did not work."""
    done = run("serve", *arguments, settings=settings, wrapper=wrapper)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("estiva: ")
    return done.stderr


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


class TestDataDirectory:
    def test_one_that_is_a_file(self, data):
        data.write_text("not a directory")
        said = refused(*LOOPBACK, "--data", data)
        assert str(data) in said
        assert "hint:" in said
        assert data.read_text() == "not a directory"

    def test_one_below_a_file(self, data):
        data.write_text("not a directory")
        assert str(data / "below") in refused(*LOOPBACK, "--data", data / "below")

    def test_one_on_a_read_only_file_system(self, small_disk, remount):
        disk = small_disk("8m")
        (disk / "data").mkdir()
        remount(disk, "ro")
        said = refused(*LOOPBACK, "--data", disk / "data")
        assert str(disk / "data") in said
        assert "ead-only" in said
        assert "hint:" in said

    async def test_one_that_became_read_only(self, small_disk, remount, tmp_path):
        disk = small_disk("8m")
        async with serving(disk / "data", logs=tmp_path / "logs") as server:
            await server.stop()
        remount(disk, "ro")
        assert "ead-only" in refused(*LOOPBACK, "--data", disk / "data")

    def test_one_that_belongs_to_somebody_else(self, data):
        data.mkdir(mode=0o555)
        said = refused(*LOOPBACK, "--data", data, wrapper=without_privileges())
        assert str(data) in said
        assert "hint:" in said

    async def test_one_that_another_server_uses(self, data):
        async with serving(data) as server:
            said = refused(*LOOPBACK, "--data", data)
            assert str(server.pid) in said
            assert "another Estiva server" in said
            async for client in connect(server.base):
                assert (await client.get("/v2/")).status == 200

    async def test_one_that_another_server_uses_by_another_name(self, data, tmp_path):
        async with serving(data):
            (tmp_path / "alias").symlink_to(data)
            assert "another Estiva server" in refused(*LOOPBACK, "--data", tmp_path / "alias")

    async def test_the_next_server_may_use_it_once_the_first_is_dead(self, data):
        async with serving(data) as server:
            await server.kill9()
        async with serving(data):
            pass

    async def test_one_that_is_made_with_its_parents(self, tmp_path):
        (tmp_path / "logs").mkdir()
        async with serving(tmp_path / "a" / "b" / "data", logs=tmp_path / "logs"):
            assert (tmp_path / "a" / "b" / "data").is_dir()


def without_privileges():
    """Return a command under which root has no more rights to files than their owner."""
    return [needed("setpriv"), "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []


class TestDatabase:
    def test_a_file_that_is_no_database(self, data):
        data.mkdir()
        (data / "estiva.db").write_bytes(b"not a database, but long enough to look at" * 100)
        said = refused(*LOOPBACK, "--data", data)
        assert str(data / "estiva.db") in said
        assert "hint:" in said

    async def test_one_that_a_newer_version_wrote_is_refused_and_left_alone(self, data):
        async with serving(data) as server:
            async for client in connect(server.base):
                await client.push_blob("a", blob())
            await server.stop()
        with closing(sqlite3.connect(data / "estiva.db")) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        before = (data / "estiva.db").read_bytes()
        said = refused(*LOOPBACK, "--data", data)
        assert "9999" in said
        assert "newer" in said
        assert (data / "estiva.db").read_bytes() == before

    async def test_one_that_belongs_to_another_data_directory(self, data, tmp_path):
        here, wrong, database = data, tmp_path / "wrong", tmp_path / "elsewhere.db"
        content = blob()
        async with serving(here, arguments=["--database", database]) as server:
            async for client in connect(server.base):
                await client.push_blob("a", content)
            await server.stop()
        said = refused(*LOOPBACK, "--data", wrong, "--database", database)
        identity = (here / "blobs" / "id").read_text().strip()
        assert identity in said
        assert f"echo {identity} > {wrong / 'blobs' / 'id'}" in said
        # As after a backup of the objects alone.
        shutil.copytree(here / "blobs", wrong / "blobs", dirs_exist_ok=True, ignore=shutil.ignore_patterns("id"))
        (wrong / "blobs" / "id").write_text(f"{identity}\n")
        async with serving(wrong, arguments=["--database", database]) as server:
            async for client in connect(server.base):
                assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content

    def test_a_directory_that_is_not_there(self, data):
        said = refused(*LOOPBACK, "--data", data, "--database", data / "nowhere" / "estiva.db")
        assert "nowhere" in said
        assert "hint:" in said

    def test_a_file_that_another_program_holds_is_told(self, data):
        data.mkdir()
        with closing(sqlite3.connect(data / "estiva.db", isolation_level=None)) as connection:
            connection.execute("CREATE TABLE mine (x)")
            connection.execute("BEGIN EXCLUSIVE")
            assert str(data / "estiva.db") in refused(*LOOPBACK, "--data", data)

    def test_a_postgresql_that_does_not_answer_is_told_without_its_password(self, data):
        url = "postgresql://estiva:hunter2@127.0.0.1:1/estiva"
        said = refused(*LOOPBACK, "--data", data, settings={"ESTIVA_DATABASE": url})
        assert "hunter2" not in said
        assert "127.0.0.1" in said

    def test_a_file_system_of_which_locks_cannot_be_trusted(self, fuse_mount):
        said = refused(*LOOPBACK, "--data", fuse_mount / "data")
        assert "file system" in said
        assert "--database" in said


@pytest.fixture
def fuse_mount(tmp_path):
    """A directory on a FUSE file system that the kernel takes for sshfs, since its program has that name."""
    program = tmp_path / "sshfs"
    program.symlink_to(needed("fuse-overlayfs"))
    if not Path("/dev/fuse").exists():
        missing("/dev/fuse is needed")
    lower, upper, work, place = (tmp_path / name for name in ("lower", "upper", "work", "place"))
    for directory in (lower, upper, work, place):
        directory.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    done = subprocess.run([program, "-o", options, place], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing(f"no FUSE file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


class TestAddress:
    def test_a_port_that_is_taken(self, data):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            said = refused("--open", "--port", port, "--data", data)
        assert f"port {port}" in said
        assert "--port" in said

    def test_a_port_that_is_taken_on_the_other_loopback_address(self, data):
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
            port = taken.getsockname()[1]
            assert f"port {port}" in refused("--open", "--port", port, "--data", data)

    def test_an_address_that_is_not_of_this_machine(self, data):
        said = refused("--open-anywhere", "--host", "192.0.2.1", "--port", "0", "--data", data)
        assert "192.0.2.1" in said

    def test_a_host_that_is_not_known(self, data):
        said = refused("--open-anywhere", "--host", "no-such-host.invalid", "--port", "0", "--data", data)
        assert "no-such-host.invalid" in said


class TestOpenness:
    def test_unsaid(self, data):
        said = refused("--port", "0", "--data", data)
        assert "--open" in said
        assert "--open-anywhere" in said
        assert not data.exists()

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
    def test_for_this_machine_on_an_address_that_others_reach(self, data, host):
        said = refused("--open", "--host", host, "--port", "0", "--data", data)
        assert host in said
        assert "--open-anywhere" in said
        assert not data.exists()

    async def test_for_everybody_is_warned_of(self, data):
        async with serving(data, {"ESTIVA_OPEN": "anywhere"}, arguments=["--open-anywhere"]) as server:
            assert "anyone who reaches this server" in server.log


class TestSettings:
    def test_an_unknown_variable_is_told_with_the_nearest_one(self, data):
        said = refused(*LOOPBACK, "--data", data, settings={"ESTIVA_STORAGE_MINFREE": "1GiB"})
        assert "ESTIVA_STORAGE_MINFREE" in said
        assert "ESTIVA_STORAGE_MIN_FREE" in said
        assert not data.exists()

    def test_everything_that_is_wrong_is_told_at_once(self, data, tmp_path):
        (tmp_path / "estiva.toml").write_text('prot = 5000\n[limits]\npage = "many"\n')
        wrong = {"ESTIVA_CONFIG": str(tmp_path / "estiva.toml"), "ESTIVA_PORT": "port", "ESTIVA_LOG_LEVEL": "loud"}
        said = refused("--open", "--data", data, settings=wrong)
        for part in ("prot", "port", "page", "ESTIVA_PORT", "ESTIVA_LOG_LEVEL"):
            assert part in said

    async def test_what_kubernetes_says_of_a_service_of_that_name_is_no_setting(self, data):
        service = {
            "ESTIVA_PORT": "tcp://10.96.0.10:5000",
            "ESTIVA_SERVICE_HOST": "10.96.0.10",
            "ESTIVA_SERVICE_PORT": "5000",
            "ESTIVA_SERVICE_PORT_HTTP": "5000",
            "ESTIVA_PORT_5000_TCP": "tcp://10.96.0.10:5000",
            "ESTIVA_PORT_5000_TCP_ADDR": "10.96.0.10",
            "ESTIVA_PORT_5000_TCP_PORT": "5000",
            "ESTIVA_PORT_5000_TCP_PROTO": "tcp",
        }
        content = blob()
        async with serving(data, service) as server:
            async for client in connect(server.base):
                await client.push_blob("a", content)
                assert (await client.get(f"/v2/a/blobs/{digest(content)}")).body == content
