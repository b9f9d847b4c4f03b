# SPDX-License-Identifier: Apache-2.0
"""BuildKit: what it builds goes straight to the registry, its cache with it."""

from pathlib import Path

import pytest

from .layouts import Layout
from .programs import Client
from .registries import Registry

pytestmark = pytest.mark.clients
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"


@pytest.fixture
def recipe(registry: Registry, repository: str, images: Layout, tmp_path: Path) -> Path:
    """A directory to build, on an image from the registry."""
    registry.publish(images, "multi", repository)
    (tmp_path / "note").write_text("built\n")
    (tmp_path / "Dockerfile").write_text(f"FROM {registry}/{repository}:multi\nCOPY note /note\n")
    return tmp_path


def test_an_index_is_built_for_two_platforms_and_pushed(
    buildx: Client, registry: Registry, repository: str, recipe: Path
) -> None:
    name = f"{registry}/{repository}:built"
    buildx("build", "--push", "--provenance=true", "--platform=linux/amd64,linux/arm64", "--tag", name, recipe)
    platforms = [one["platform"]["architecture"] for one in registry.manifest(repository, "built")["manifests"]]
    assert platforms == ["amd64", "arm64", "unknown", "unknown"]


@pytest.mark.parametrize("form", ["image-manifest=false", "image-manifest=true"])
def test_a_cache_is_exported_and_used_again(
    buildx: Client, registry: Registry, repository: str, recipe: Path, form: str
) -> None:
    cache = f"type=registry,ref={registry}/{repository}:cache"
    made = f"type=image,name={registry}/{repository}:built,push=true"
    buildx("build", "--cache-to", f"{cache},mode=max,oci-mediatypes=true,{form}", "--output", made, recipe)
    manifest = registry.manifest(repository, "cache")
    referred = [*manifest.get("manifests", ()), *manifest.get("layers", ()), manifest.get("config", {})]
    assert CACHE_CONFIG in [one.get("mediaType") for one in referred]
    buildx("prune", "--all", "--force")
    again = buildx.told("build", "--cache-from", cache, "--output", made, "--progress=plain", recipe)
    assert "CACHED" in again
