# SPDX-License-Identifier: Apache-2.0
"""Who may use a server without authentication has to be said."""

import pytest

from estiva.config import load_settings, require_open
from estiva.errors import SettingsInvalid


def loaded(host, mode):
    return load_settings(None, {"ESTIVA_HOST": host, "ESTIVA_OPEN": mode}, {})


def test_a_server_that_is_open_to_nobody_does_not_start_and_the_hint_names_every_way():
    with pytest.raises(SettingsInvalid, match="no authentication") as refusal:
        require_open(loaded("localhost", "none"))
    for way in ("--open ", "--open-anywhere", "ESTIVA_OPEN=loopback", "ESTIVA_OPEN=anywhere"):
        assert way in refusal.value.hint


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_open_on_a_loopback_address_is_for_this_machine(host):
    require_open(loaded(host, "loopback"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1", "fe80::1%lo", "localhost.example"])
def test_open_for_this_machine_is_refused_where_others_could_reach_it(host):
    with pytest.raises(SettingsInvalid, match=r"is not a loopback address; .*--open-anywhere"):
        loaded(host, "loopback")


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "::", "registry.example"])
def test_open_anywhere_goes_with_every_host(host):
    require_open(loaded(host, "anywhere"))
