# SPDX-License-Identifier: Apache-2.0
"""File systems on which SQLite's write-ahead log is not safe.

The log's index is memory that processes share by mapping a file, and its locks are POSIX locks: across a network
neither is kept (sqlite.org, "Write-Ahead Logging", disadvantages), and some file systems shared with a virtual machine
only pretend.
"""

import re
from pathlib import Path

# As the kernel names them; `fuse.` and what follows is the program behind a FUSE mount.
_UNSAFE = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "ncpfs", "coda"),
    *("glusterfs", "ocfs2", "gfs2", "fakeowner", "grpcfuse"),
}
_UNSAFE_PROGRAMS = {
    *("sshfs", "s3fs", "rclone", "gcsfuse", "goofys", "mount-s3", "glusterfs", "ceph", "ceph-fuse", "juicefs", "davfs"),
    *("curlftpfs", "seaweedfs", "moosefs", "mfs", "grpcfuse", "blobfuse", "blobfuse2", "encfs"),
}
_ESCAPED = re.compile(r"\\([0-7]{3})")


def unsuitable(path: Path) -> str | None:
    """Return the type of the file system that the file is or will be on, if it is not safe; else None.

    None also where the kernel does not tell: other checks follow.
    """
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind = file_system(mounts, path.resolve())
    program = kind.removeprefix("fuse.")
    return kind if kind in _UNSAFE or (program != kind and program in _UNSAFE_PROGRAMS) else None


def file_system(mounts: str, path: Path) -> str:
    """Return the type of the file system that holds the path, by the text of mountinfo (proc(5)); empty: unknown."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004 - the mount point is the fifth
            continue
        point = Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        # Of several mounts on one point the last one is seen.
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ", 1)[0]
    return kind
