# SPDX-License-Identifier: Apache-2.0
"""Whose address is believed (wire rule 52)."""

import pytest
from multidict import CIMultiDict

from estiva.web.forwarded import ClientAddresses

PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({}, PROXY),
        ({"X-Forwarded-For": "203.0.113.7"}, "203.0.113.7"),
        ({"X-Forwarded-For": "203.0.113.7, 10.0.0.2"}, "203.0.113.7"),
        ({"X-Forwarded-For": "1.2.3.4, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"),
        ({"X-Forwarded-For": "10.0.0.3, 10.0.0.2"}, "10.0.0.3"),
        ({"X-Forwarded-For": "nonsense"}, PROXY),
        ({"X-Forwarded-For": "1.2.3.4\r\nforged"}, PROXY),
        ({"X-Forwarded-For": " , "}, PROXY),
        ({"Forwarded": 'for=203.0.113.7;proto=https, for="10.0.0.2:4711"'}, "203.0.113.7"),
        ({"Forwarded": 'For="[2001:db8::1]:4711"'}, "2001:db8::1"),
        ({"Forwarded": "for=203.0.113.7", "X-Forwarded-For": "198.51.100.1"}, "203.0.113.7"),
        ({"Forwarded": "for=_hidden"}, PROXY),
    ],
)
def test_a_trusted_proxy_is_believed_as_far_back_as_proxies_reach(headers, client):
    assert ClientAddresses(["10.0.0.0/8"]).address(PROXY, CIMultiDict(headers)) == client


@pytest.mark.parametrize("trusted", [[], ["10.1.0.0/16"], ["2001:db8::/32"]])
def test_anybody_else_is_not(trusted):
    headers = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.8"}
    assert ClientAddresses(trusted).address(PROXY, CIMultiDict(headers)) == PROXY


def test_a_mapped_ipv4_address_is_the_ipv4_address():
    headers = {"X-Forwarded-For": "203.0.113.7"}
    assert ClientAddresses(["10.0.0.0/8"]).address("::ffff:10.0.0.1", CIMultiDict(headers)) == "203.0.113.7"


def test_a_peer_without_an_address_is_a_dash():
    assert ClientAddresses(["10.0.0.0/8"]).address(None, CIMultiDict()) == "-"


def test_a_line_that_a_proxy_appends_counts():
    headers = CIMultiDict([("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.7")])
    assert ClientAddresses(["10.0.0.0/8"]).address(PROXY, headers) == "203.0.113.7"
