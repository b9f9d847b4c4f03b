# SPDX-License-Identifier: Apache-2.0
"""A disk that loses power: what nobody synced is gone.

The file system lies in an image behind a loop device. What has been synced is in the image, what has not is only in
the kernel's memory; so a copy of the image is what a machine would find after its power came back. The journal is
told to commit as good as never by itself.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.programs import missing, needed

SIZE = "768M"  # sparse
MEMORY = Path("/dev/shm")
PATIENCE = 10  # seconds


@dataclass
class Disk:
    """A mounted file system; `image` changes with each cut."""

    image: Path
    place: Path

    def lose_power(self) -> None:
        """Go back to what was synced. Nobody may have a file open."""
        left = self.image.with_name(f"{self.image.name}+")
        subprocess.run(["cp", "--sparse=always", self.image, left], check=True)
        self.unmount()
        self.image.unlink()
        self.image = left
        self.mount()

    def mount(self) -> None:
        """Mount the image."""
        done = subprocess.run(
            ["mount", "-o", "loop,commit=300", self.image, self.place], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            missing(f"this user may not mount an image: {done.stderr.strip()}")

    def unmount(self) -> None:
        """Unmount the image, which syncs what is left; processes that were killed may take a moment to let go of it."""
        for _ in range(PATIENCE):
            if subprocess.run(["umount", self.place], check=False, capture_output=True).returncode == 0:
                return
            time.sleep(1)
        subprocess.run(["umount", self.place], check=True)


@contextmanager
def disk(place: Path) -> Iterator[Disk]:
    """Make a file system and mount it at a directory."""
    if os.getuid() != 0:
        missing("only root can mount an image")
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    made = Disk(folder / "image", place)
    try:
        subprocess.run(["truncate", "-s", SIZE, made.image], check=True)
        subprocess.run([needed("mkfs.ext4"), "-q", "-F", made.image], check=True)
        made.mount()
        yield made
    finally:
        if place.is_mount():
            made.unmount()
        shutil.rmtree(folder)
