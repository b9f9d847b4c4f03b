# SPDX-License-Identifier: Apache-2.0
"""The conditions of a run that never was."""

CONDITIONS = {
    "made_at": "now",
    "revision": "",
    "rounds": 3,
    "scale": 1,
    "machine": {
        "processor": "P",
        "cores": 2,
        "memory_gib": 4,
        "kernel": "Linux",
        "file_system": "ext4",
        "fdatasync_ms": 1,
        "python": "3",
    },
    "contenders": [],
    "equal_work": ["Alike."],
    "notes": [],
}
