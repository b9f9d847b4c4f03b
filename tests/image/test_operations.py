# SPDX-License-Identifier: Apache-2.0
"""What docs/operations.md tells people to write and to type, done word for word."""

import http.client
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.layouts import Layout, tarball
from clients.programs import PROJECT, Client, needed, running
from clients.registries import Registry, serving

from .containers import free_port

pytestmark = pytest.mark.clients

TEXT = (PROJECT / "docs/operations.md").read_text()
CHUNK = b"x" * 65536
LARGE = 8 * 1024 * 1024  # bytes; nginx takes one MiB when it is told nothing


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A layout with one image, `large`: of more bytes than a proxy takes unless it is told to."""
    layout = Layout(tmp_path / "layout")
    layout.tag("large", layout.image([layout.layer(tarball({"large": random.Random(1).randbytes(LARGE)}))]))
    return layout


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(tmp_path / "data") as found:
        yield found


@pytest.fixture
def nginx(tmp_path: Path, registry: Registry) -> Iterator[Registry]:
    """The registry as it shows through nginx, set up as the page says, save for addresses and TLS."""
    (server,) = re.findall(r"```nginx\n(.*?)```", TEXT, flags=re.DOTALL)
    address = f"127.0.0.1:{free_port()}"
    server = re.sub(r" *ssl_.*\n", "", server)
    server = server.replace("127.0.0.1:5000", str(registry)).replace("listen 443 ssl", f"listen {address}")
    config = tmp_path / "nginx.conf"
    places = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {places} {server} }}")
    foreground = "daemon off; error_log stderr notice;"
    with running([needed("nginx"), "-p", tmp_path, "-c", config, "-g", foreground], ready="start worker process "):
        yield Registry(address)


def test_an_image_goes_through_nginx_and_comes_back(nginx: Registry, layout: Layout, tmp_path: Path) -> None:
    skopeo = Client([needed("skopeo"), "--insecure-policy", "copy", "--quiet"])
    digest = layout.tags["large"].digest
    skopeo("--dest-tls-verify=false", f"oci:{layout.path}:large", f"docker://{nginx}/proxied:1")
    assert nginx.digest("proxied", "1") == digest
    skopeo("--src-tls-verify=false", f"docker://{nginx}/proxied:1", f"oci:{tmp_path}/back:large")
    assert (tmp_path / "back/blobs" / digest.replace(":", "/")).exists()


def test_nginx_passes_a_body_of_unknown_length_on_as_it_comes(nginx: Registry, registry: Registry) -> None:
    location = nginx.ask("POST", "/v2/proxied/blobs/uploads/").headers["Location"]
    assert location.startswith("/v2/")
    connection = http.client.HTTPConnection(nginx.address, timeout=60)
    connection.putrequest("PATCH", location)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.putheader("Content-Type", "application/octet-stream")
    connection.endheaders()
    connection.send(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))
    while b"\nestiva_uploads_in_flight 1.0\n" not in registry.ask("GET", "/metrics").body:
        time.sleep(0.02)
    connection.send(b"0\r\n\r\n")
    assert connection.getresponse().status == 202
    connection.close()


def test_a_copy_made_while_the_server_runs_can_be_restored(registry: Registry, layout: Layout, tmp_path: Path) -> None:
    digest = registry.publish(layout, "large", "kept")
    data, restored = tmp_path / "data", tmp_path / "restored"
    (program,) = re.findall(r'docker exec registry python -c "(.*)"', TEXT)
    Client([sys.executable, "-c", program.replace("/var/lib/estiva", str(data))])()
    restored.mkdir()
    (data / "backup.db").rename(restored / "estiva.db")
    Client(["cp", "-r"])(data / "blobs", restored / "blobs")
    with serving(restored) as again:
        assert again.digest("kept", "large") == digest
        for needed_blob in layout.needs(layout.tags["large"]):
            assert again.ask("GET", f"/v2/kept/blobs/{needed_blob.digest}").body == layout.content(needed_blob.digest)
