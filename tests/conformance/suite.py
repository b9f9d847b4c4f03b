# SPDX-License-Identifier: Apache-2.0
"""Run the official OCI conformance suite and read its report."""

import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clients.programs import needed
from clients.registries import Registry

RUN_TIMEOUT = 280

# Everything that the suite can test, whatever its defaults for a version are; OCI_DATA_SPARSE is each run's own.
EVERYTHING = [
    "API_PING",
    "API_PULL",
    "API_PUSH",
    "API_REFERRER",
    "API_BLOBS_ATOMIC",
    "API_BLOBS_DELETE",
    "API_BLOBS_DIGEST_HEADER",
    "API_BLOBS_MOUNT_ANONYMOUS",
    "API_BLOBS_UPLOAD_CANCEL",
    "API_MANIFESTS_ATOMIC",
    "API_MANIFESTS_DELETE",
    "API_MANIFESTS_DIGEST_HEADER",
    "API_MANIFESTS_TAG_PARAM",
    "API_TAGS_ATOMIC",
    "API_TAGS_DELETE",
    "API_TAGS_LIST",
    "DATA_IMAGE",
    "DATA_INDEX",
    "DATA_INDEX_LIST",
    "DATA_ARTIFACT",
    "DATA_SUBJECT",
    "DATA_SUBJECT_MISSING",
    "DATA_ARTIFACT_LIST",
    "DATA_SUBJECT_LIST",
    "DATA_DATA_FIELD",
    "DATA_NONDISTRIBUTABLE",
    "DATA_CUSTOM_FIELDS",
    "DATA_NO_LAYERS",
    "DATA_EMPTY_BLOB",
    "DATA_SHA512",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many tests ended in which way, and what went wrong."""

    tests: int
    failures: int
    errors: int
    skipped: int
    disabled: int
    faults: tuple[str, ...]

    def __str__(self) -> str:
        counts = ", ".join(
            f"{getattr(self, name)} {name}" for name in ("tests", "failures", "errors", "skipped", "disabled")
        )
        return "\n".join((counts, *self.faults))

    @property
    def clean(self) -> bool:
        """Whether every test ran and none found fault."""
        return self.tests > 0 and not (self.failures or self.errors or self.skipped or self.disabled)


def run_suite(registry: Registry, results: Path, *, sparse: bool) -> Report:
    """Run the whole suite for the spec's main branch against a registry; the reports are left in `results`."""
    program = needed("conformance")
    subprocess.run(
        [program],
        cwd=results,
        env={**os.environ, **_settings(registry, results, sparse=sparse)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=RUN_TIMEOUT,
    )
    return _read(results / "junit.xml")


def _settings(registry: Registry, results: Path, *, sparse: bool) -> Mapping[str, str]:
    everything = {f"OCI_{name}": "true" for name in EVERYTHING}
    return everything | {
        "OCI_REGISTRY": registry.address,
        "OCI_TLS": "disabled",
        "OCI_VERSION": "dev",
        "OCI_DATA_SPARSE": str(sparse).lower(),
        "OCI_RESULTS_DIR": str(results),
    }


def _read(junit: Path) -> Report:
    """Read a report; the suite leaves out counts that are zero."""
    (suite,) = ET.parse(junit).getroot().iter("testsuite")
    cases = list(suite.iter("testcase"))
    return Report(
        tests=int(suite.get("tests", "0")),
        failures=int(suite.get("failures", "0")),
        errors=int(suite.get("errors", "0")),
        skipped=int(suite.get("skipped", "0")),
        disabled=int(suite.get("disabled", "0")),
        faults=tuple(_fault(case) for case in cases if case.get("status") != "passed"),
    )


def _fault(case: ET.Element) -> str:
    said = (case.findtext("system-out") or case.findtext("system-err") or "").strip()
    return f"{case.get('status')}: {case.get('name')}: {said[:2000]}"
