# SPDX-License-Identifier: Apache-2.0
"""In CI nothing may be skipped: what a test misses there is a fault of the set-up."""

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("CI") == "true":
        reporter.write_line(f"{len(skipped)} tests were skipped, which in CI is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
