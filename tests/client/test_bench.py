# SPDX-License-Identifier: Apache-2.0
"""`estiva bench` against running registries."""

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from contextlib import asynccontextmanager

import pytest

from harness.client import connect
from harness.content import Image
from harness.process import command, environment, run, serving

from .fake import answering, handling, reply

SMALL = ("--duration", "500ms", "--connections", "3", "--processes", "2", "--size", "64KiB")
CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {data}}}, delete: {{enabled: {deletes}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


async def bench(*arguments, **more):
    """Run the command while this test's loop goes on."""
    return await asyncio.to_thread(run, "bench", *arguments, **more)


@pytest.fixture
async def estiva(tmp_path):
    async with serving(tmp_path / "data") as server:
        yield server.base


@pytest.fixture(params=["true", "false"], ids=["deletes", "no deletes"])
def docker_registry(request, tmp_path):
    if not (program := shutil.which("docker-registry")):
        pytest.skip("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "config.yml"
    config.write_text(CONFIG.format(data=tmp_path / "data", port=port, deletes=request.param))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while not listens(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}", request.param == "true"
    finally:
        process.kill()
        process.wait()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def phases(document):
    return [phase["phase"] for phase in document["phases"]]


async def test_every_phase_is_measured_and_everything_is_removed_again(estiva):
    done = await bench(estiva, *SMALL, "--json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert phases(document) == ["push", "images", "manifests", "pull"]
    assert all(phase["done"] > 0 and phase["failed"] == 0 for phase in document["phases"])
    assert all(0 < phase["p50_ms"] <= phase["p99_ms"] <= phase["max_ms"] for phase in document["phases"])
    assert (document["left"], document["interrupted"]) == (0, False)
    assert document["removed"] > 2 * document["phases"][1]["done"]


async def test_people_get_a_table(estiva):
    done = await bench(estiva, *SMALL, "--only", "manifests")

    assert done.returncode == 0, done.stderr
    assert "manifests" in done.stdout
    assert "Deleted again: 3 manifests, blobs and uploads. The registry may keep their room until" in done.stdout
    assert "(3 connections, 2 processes)" in done.stdout
    assert "push" not in done.stdout.partition("Deleted")[0].partition("phase")[2]


async def test_another_registry_keeps_what_it_does_not_delete_and_that_is_told(docker_registry):
    address, deletes = docker_registry
    done = await bench(address, *SMALL, "--json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert phases(document) == ["push", "images", "manifests", "pull"]
    assert (document["left"] == 0) is deletes
    assert ("405" in document["left_because"]) is not deletes


async def test_an_image_that_is_not_there_is_told(estiva):
    done = await bench(estiva, *SMALL, "--image", "not/there:v1")

    assert done.returncode == 2
    assert "404" in done.stderr


async def test_an_image_that_is_there_is_read_and_nothing_is_pushed(tmp_path):
    async with serving(tmp_path / "data") as server:
        async with asynccontextmanager(connect)(server.base) as client:
            await client.push_image("some/app", Image(), "v1")
        done = await bench(server.base, *SMALL, "--image", "some/app:v1", "--json")
        written = [entry for entry in server.entries() if entry.get("method") not in (None, "GET")]

    document = json.loads(done.stdout)
    assert phases(document) == ["manifests", "pull"]
    assert (document["removed"], document["left"]) == (0, 0)
    assert [entry for entry in written if "estiva-bench" in json.dumps(entry)] == []


LONG = ("--duration", "60s", "--size", "64KiB", "--json", "--processes", "2")
HEARING = ("env", "--default-signal=INT,TERM,HUP")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_an_interrupt_ends_a_run_with_what_was_measured_and_removes_it(estiva, number):
    process = await asyncio.create_subprocess_exec(
        *HEARING,
        *command("bench", estiva, *LONG),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    await until_pushed(estiva)
    os.killpg(process.pid, number)  # as a terminal does
    output, errors = await process.communicate()

    assert process.returncode == 130, errors
    assert errors == b""
    document = json.loads(output)
    assert document["interrupted"]
    assert phases(document) == ["push"]
    assert document["phases"][0]["done"] > 0
    assert document["left"] == 0


async def test_what_was_pushed_is_removed_when_the_terminal_is_closed(tmp_path):
    async with serving(tmp_path / "data") as server:
        ours, theirs = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *("setsid", "--ctty", *HEARING),
            *command("bench", server.base, *LONG),
            env=environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        asyncio.get_running_loop().add_reader(ours, os.read, ours, 1 << 16)
        await until_pushed(server.base)
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
        await process.wait()
        async with asynccontextmanager(connect)(server.base) as client:
            left = await client.get("/v2/estiva-bench/tags/list")

    assert left.json["tags"] == []


async def until_pushed(base):
    """Wait until the server has taken several uploads."""
    port = int(base.rpartition(":")[2])
    taken = 0
    while taken < 10:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        taken = sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("estiva_requests_total") and 'method="PUT"' in line
        )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply(200, b"<html>", Content_Type="text/html"), "is not a registry"),
        (reply(404), "is not a registry"),
        (reply(503), "answers with 503"),
        (b"220 mail.example.com ESMTP\r\n", "not HTTP/1.1"),
        (reply(401, WWW_Authenticate='Basic realm="x"'), "--user and --password-stdin"),
        (reply(401, WWW_Authenticate="Negotiate"), "of an unknown kind"),
    ],
)
async def test_what_cannot_be_measured_is_told_with_a_cure(answer, message):
    async with answering(lambda *_: answer) as port:
        done = await bench(f"http://127.0.0.1:{port}", *SMALL)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_server_that_is_not_there_is_told():
    done = await bench("http://127.0.0.1:1")

    assert done.returncode == 2
    assert "nothing can be reached at http://127.0.0.1:1" in done.stderr
    assert "hint: is the registry running?" in done.stderr


async def test_tls_to_a_plain_server_is_told(estiva):
    done = await bench(estiva.replace("http", "https"))

    assert done.returncode == 2
    assert "does not speak TLS" in done.stderr
    assert "hint: try http://127.0.0.1" in done.stderr


@pytest.fixture
def certified(tmp_path):
    """What TLS needs to serve with a certificate that nobody trusts."""
    if not (program := shutil.which("openssl")):
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    subprocess.run([program, *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "is not trusted: self-signed certificate"), (("--insecure",), "is not a registry: it answers 404")],
)
async def test_a_certificate_is_checked_unless_told_otherwise(certified, arguments, message):
    async with answering(lambda *_: reply(404), certified) as port:
        done = await bench(f"https://127.0.0.1:{port}", *arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


async def test_failed_requests_are_counted_and_make_the_exit_code_one(tmp_path):
    pushed = []

    def answer(method, path, headers):
        if "/blobs/uploads" in path and len(pushed) > 20:
            return reply(503, b'{"errors": [{"code": "UNKNOWN", "message": "too busy"}]}')
        pushed.append(path)
        status = {"GET": 200, "POST": 202, "PATCH": 202, "PUT": 201, "DELETE": 202}[method]
        return reply(status, b"{}", Location="/v2/a/blobs/uploads/1")

    async with answering(answer) as port:
        done = await bench(f"http://127.0.0.1:{port}", *SMALL, "--only", "push", "--json")

    phase = json.loads(done.stdout)["phases"][0]
    assert done.returncode == 1
    assert phase["failed"] > 0
    assert "503 UNKNOWN too busy" in phase["failure"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "nonsense"), "manifests"),
        (("--size", "big"), "not a size"),
        (("--user", "ann"), "--password-stdin"),
        (("--repository", "A B"), "repository name"),
        (("--image", "a/b"), "NAME:TAG"),
        (("--image", ""), "NAME:TAG"),
        (("--image", "a/b:v1", "--only", "push"), "--image pushes nothing"),
        (("--duration", "0"), "write 100ms or more"),
        (("--duration", "long"), "not a duration"),
        (("--timeout", "0"), "write 100ms or more"),
        (("--size", "0"), "write 32B or more"),
        (("--size", "1GiB", "--most", "100MiB"), "raise --most as well"),
        (("--most", "100KiB"), "1MiB"),
    ],
)
async def test_a_wrong_option_is_told_by_its_name(arguments, message):
    done = await bench("http://127.0.0.1:1", *arguments)

    assert done.returncode == 2
    told = " ".join(done.stderr.replace("\u2502", " ").split())
    assert "Invalid value for '--" in told
    assert message in told


async def test_what_is_not_pushed_need_not_be_small():
    done = await bench("http://127.0.0.1:1", "--image", "a/b:v1", "--most", "1MiB")

    assert "nothing can be reached" in done.stderr


async def test_a_registry_that_takes_a_connection_and_never_answers_is_told():
    async with handling(lambda reader, _: reader.read()) as port:
        done = await bench(f"http://127.0.0.1:{port}", "--timeout", "300ms")

    assert done.returncode == 2
    assert done.stderr == f"estiva: http://127.0.0.1:{port}: no answer began within 0.3 seconds (--timeout)\n"


async def test_one_phase_of_one_large_blob_is_one_push(estiva):
    done = await bench(estiva, "--only", "push", "--size", "8MiB", "--most", "8MiB", "--duration", "10s", "--json")

    document = json.loads(done.stdout)
    assert (document["phases"][0]["done"], document["phases"][0]["failed"]) == (1, 0)
    assert document["removed"] == 4
