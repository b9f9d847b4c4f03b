# SPDX-License-Identifier: Apache-2.0
"""Variables: ours, Kubernetes', and those of others."""

import pytest

from estiva.config import Settings, describe_settings, load_settings
from estiva.errors import SettingsInvalid

# What a pod gets for services named estiva and estiva-postgresql, each with two ports (Kubernetes documentation,
# "Service", "Environment variables").
KUBERNETES = {
    "ESTIVA_SERVICE_HOST": "10.0.0.1",
    "ESTIVA_SERVICE_PORT": "5000",
    "ESTIVA_SERVICE_PORT_HTTP": "5000",
    "ESTIVA_SERVICE_PORT_METRICS_2": "9000",
    "ESTIVA_PORT": "tcp://10.0.0.1:5000",
    "ESTIVA_PORT_5000_TCP": "tcp://10.0.0.1:5000",
    "ESTIVA_PORT_5000_TCP_PROTO": "tcp",
    "ESTIVA_PORT_5000_TCP_PORT": "5000",
    "ESTIVA_PORT_5000_TCP_ADDR": "10.0.0.1",
    "ESTIVA_PORT_53_UDP": "udp://10.0.0.1:53",
    "ESTIVA_POSTGRESQL_SERVICE_HOST": "10.0.0.2",
    "ESTIVA_POSTGRESQL_SERVICE_PORT": "5432",
    "ESTIVA_POSTGRESQL_PORT": "tcp://10.0.0.2:5432",
    "ESTIVA_POSTGRESQL_PORT_5432_TCP_ADDR": "10.0.0.2",
}


def test_the_variables_that_kubernetes_sets_for_services_are_ignored():
    assert load_settings(None, KUBERNETES, {}) == Settings()


def test_a_port_of_our_own_counts_beside_kubernetes_variables():
    assert load_settings(None, KUBERNETES | {"ESTIVA_PORT": "5001"}, {}).server.port == 5001


@pytest.mark.parametrize(
    "name", ["ESTIVA_STORAGE_PORT", "ESTIVA_PORT_5000", "ESTIVA_PORT_5000_TCP_X", "ESTIVA_SERVICE"]
)
def test_what_only_resembles_a_service_variable_is_refused(name):
    with pytest.raises(SettingsInvalid, match=f"{name}: is not a setting"):
        load_settings(None, {name: "5000"}, {})


@pytest.mark.parametrize("setting", describe_settings(), ids=lambda setting: setting.key)
def test_no_setting_has_the_name_of_a_service_variable(setting):
    assert not setting.variable.endswith(("_SERVICE_HOST", "_SERVICE_PORT", "_TCP", "_UDP"))


def test_variables_of_others_are_none_of_our_business():
    assert (
        load_settings(None, {"PORT": "x", "estiva_port": "x", "MY_ESTIVA_PORT": "x", "ESTIVA": "x"}, {}) == Settings()
    )


def test_an_empty_variable_says_nothing():
    assert load_settings(None, {"ESTIVA_PORT": "", "ESTIVA_DATA": " ", "ESTIVA_CONFIG": ""}, {}) == Settings()


def test_an_unknown_variable_is_refused_even_when_empty():
    with pytest.raises(SettingsInvalid, match="ESTIVA_PROT: is not a setting; did you mean ESTIVA_PORT"):
        load_settings(None, {"ESTIVA_PROT": ""}, {})


def test_the_variable_for_the_file_is_among_those_suggested():
    with pytest.raises(SettingsInvalid, match="did you mean ESTIVA_CONFIG"):
        load_settings(None, {"ESTIVA_CONFG": "x"}, {})
