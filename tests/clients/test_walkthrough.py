# SPDX-License-Identifier: Apache-2.0
"""The first five minutes of a newcomer, typed word for word as both READMEs print them."""

import re
import shlex
from pathlib import Path

import pytest

from .layouts import Layout
from .programs import PROJECT, Client
from .registries import Registry

NAME = "docker.io/library/nome-da-imagem:latest"
pytestmark = pytest.mark.clients

FIRST_PUSH = (
    "docker tag nome-da-imagem localhost:5000/nome-da-imagem",
    "docker push localhost:5000/nome-da-imagem",
    "docker rmi localhost:5000/nome-da-imagem",
    "docker pull localhost:5000/nome-da-imagem",
)
VERSIONS = (
    "docker tag nome-da-imagem localhost:5000/nome-da-imagem:v1.0",
    "docker push localhost:5000/nome-da-imagem:v1.0",
    "docker tag nome-da-imagem localhost:5000/nome-da-imagem:latest",
    "docker push localhost:5000/nome-da-imagem:latest",
)


@pytest.fixture
def newcomer(docker: Client, images: Layout, tmp_path: Path) -> Client:
    """Docker with an image called nome-da-imagem."""
    docker("load", "--input", images.archive("greeting", NAME, tmp_path / "image.tar"))
    return docker


def typed(docker: Client, line: str, registry: Registry) -> str:
    """Run a line of the walk-through, on the port that the test was given."""
    program, *arguments = shlex.split(line.replace("localhost:5000", str(registry)))
    assert program == "docker"
    return docker(*arguments)


def test_the_first_image_is_pushed_removed_and_pulled(newcomer: Client, registry: Registry) -> None:
    before = newcomer("image", "inspect", "--format", "{{.Id}}", "nome-da-imagem")
    printed = [typed(newcomer, line, registry) for line in FIRST_PUSH]
    assert registry.digest("nome-da-imagem", "latest") in printed[-1]
    assert newcomer("image", "inspect", "--format", "{{.Id}}", f"{registry}/nome-da-imagem") == before


def test_versions_are_tags_that_are_listed_and_moved(
    newcomer: Client, registry: Registry, images: Layout, tmp_path: Path
) -> None:
    [typed(newcomer, line, registry) for line in VERSIONS]
    assert registry.tags("nome-da-imagem") == ["latest", "v1.0"]
    first = registry.digest("nome-da-imagem", "v1.0")
    assert registry.digest("nome-da-imagem", "latest") == first
    newcomer("load", "--input", images.archive("busybox", NAME, tmp_path / "next.tar"))
    [typed(newcomer, line, registry) for line in VERSIONS[-2:]]
    assert registry.digest("nome-da-imagem", "latest") != first
    assert registry.digest("nome-da-imagem", "v1.0") == first


@pytest.mark.parametrize("readme", ["README.md", "README.pt-BR.md"])
def test_the_readme_prints_the_lines_that_are_typed_here(readme: str) -> None:
    printed = re.sub(r"^\$ ", "", (PROJECT / readme).read_text(), flags=re.MULTILINE).splitlines()
    lines = [line.strip() for line in printed]
    assert [line for line in FIRST_PUSH + VERSIONS if line not in lines] == []
