# SPDX-License-Identifier: Apache-2.0
"""What docs/clients.md tells people to write into their clients' settings, taken from there word for word."""

import re
from pathlib import Path

import pytest

from .layouts import Layout
from .programs import PROJECT, Client
from .registries import Registry

pytestmark = pytest.mark.clients


def documented(containing: str, registry: Registry) -> str:
    """Return the settings block of docs/clients.md that contains a text, for this registry's address."""
    blocks = re.findall(r"```toml\n(.*?)```", (PROJECT / "docs/clients.md").read_text(), flags=re.DOTALL)
    (block,) = (block for block in blocks if containing in block)
    return block.replace("registry.lan:5000", str(registry))


@pytest.fixture
def registries_conf(registry: Registry, tmp_path: Path) -> str:
    """The file that podman, buildah and skopeo read, with what is documented for them."""
    (tmp_path / "registries.conf").write_text(documented("[[registry]]", registry))
    return str(tmp_path / "registries.conf")


@pytest.mark.parametrize("tool", ["podman", "buildah"])
def test_podman_and_buildah_need_no_option_once_the_registry_is_insecure(
    request: pytest.FixtureRequest, tool: str, registries_conf: str, registry: Registry, repository: str, images: Layout
) -> None:
    digest = registry.publish(images, "busybox", repository)
    client: Client = request.getfixturevalue(tool).within({"CONTAINERS_REGISTRIES_CONF": registries_conf})
    client("pull", f"{registry}/{repository}:busybox")
    client("push", f"{registry}/{repository}:busybox", f"docker://{registry}/{repository}:pushed")
    assert registry.digest(repository, "pushed") == digest


def test_skopeo_needs_no_option_once_the_registry_is_insecure(
    skopeo: Client, registries_conf: str, registry: Registry, repository: str, images: Layout
) -> None:
    name = f"docker://{registry}/{repository}:v1"
    skopeo.also("--registries-conf", registries_conf)("copy", "--preserve-digests", f"oci:{images.path}:busybox", name)
    assert registry.digest(repository, "v1") == images.tags["busybox"].digest


def test_containerd_pushes_and_pulls_by_its_hosts_file(
    ctr: Client, registry: Registry, repository: str, images: Layout, tmp_path: Path
) -> None:
    hosts = tmp_path / "certs.d" / str(registry)
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(documented("capabilities", registry))
    name = f"{registry}/{repository}:v1"
    ctr("images", "import", images.archive("busybox", name, tmp_path / "image.tar"))
    ctr("images", "push", "--hosts-dir", tmp_path / "certs.d", name)
    ctr("images", "rm", "--sync", name)
    ctr("images", "pull", "--hosts-dir", tmp_path / "certs.d", name)
    assert registry.digest(repository, "v1") == images.tags["busybox"].digest


def test_regctl_remembers_that_the_registry_has_no_tls(
    registry: Registry, regctl: Client, repository: str, images: Layout, tmp_path: Path
) -> None:
    registry.publish(images, "busybox", repository)
    newcomer = Client(regctl.command[:1], {**regctl.environment, "REGCTL_CONFIG": str(tmp_path / "regctl.json")})
    newcomer("registry", "set", "--tls", "disabled", str(registry))
    assert newcomer("tag", "ls", f"{registry}/{repository}").split() == ["busybox"]


def test_crane_takes_the_option_that_other_hosts_need(
    crane: Client, registry: Registry, repository: str, images: Layout
) -> None:
    digest = registry.publish(images, "busybox", repository)
    assert crane("digest", "--insecure", f"{registry}/{repository}:busybox").strip() == digest
