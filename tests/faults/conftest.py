# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.programs import missing

MountedDisk = Callable[[str], Path]


@pytest.fixture
def small_disk(tmp_path) -> Iterator[MountedDisk]:
    """Makes a file system of a size such as "16m"; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(size: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            missing(f"this user may not mount a file system: {done.stderr.strip()}")
        return place

    yield mount
    if os.path.ismount(place):
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def remount() -> Callable[[Path, str], None]:
    """Changes the options of a mounted file system."""

    def change(place: Path, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)

    return change
