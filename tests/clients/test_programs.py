# SPDX-License-Identifier: Apache-2.0
"""What happens to a test whose program is not there."""

import pytest

from .programs import needed


def test_a_missing_client_skips_with_its_reason_at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-client is not installed"):
        needed("no-such-client")


def test_a_missing_client_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-client is not installed"):
        needed("no-such-client")
