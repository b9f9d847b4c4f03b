# SPDX-License-Identifier: Apache-2.0
"""Passwords and tokens: given where they are asked for, and nowhere else."""

import asyncio

import pytest

from estiva.client.access import Credentials
from estiva.client.address import Address
from estiva.client.registry import Refused, Registry, expect
from estiva.errors import RegistryUnusable

from .fake import answering, basic, reply

ANN = Credentials(user="ann", password="secret")


def registry(port, credentials=ANN):
    return Registry(Address.parse(f"http://127.0.0.1:{port}"), "a/b", credentials)


async def test_a_password_is_sent_once_it_is_asked_for():
    seen = []

    def answer(method, path, headers):
        seen.append(headers.get("authorization"))
        return reply(200 if seen[-1] == basic("ann", "secret") else 401, WWW_Authenticate='Basic realm="x"')

    async with answering(answer) as port, registry(port) as client:
        statuses = [(await client.request("GET", "/v2/")).status for _ in range(2)]

    assert statuses == [200, 200]
    assert seen == [None, basic("ann", "secret"), basic("ann", "secret")]


async def test_a_token_is_fetched_for_the_repository_and_again_when_it_has_expired():
    valid, asked = ["one"], []

    def answer(method, path, headers):
        if path.startswith("/token"):
            asked.append((path, headers["authorization"]))
            return reply(200, f'{{"token": "{valid[0]}"}}'.encode())
        challenge = f'Bearer realm="http://{headers["host"]}/token",service="s"'
        return reply(200 if headers.get("authorization") == f"Bearer {valid[0]}" else 401, WWW_Authenticate=challenge)

    async with answering(answer) as port, registry(port) as client:
        first = await client.request("GET", "/v2/")
        valid[0] = "two"
        second = await client.request("GET", "/v2/")

    assert (first.status, second.status) == (200, 200)
    assert asked == [("/token?service=s&scope=repository%3Aa%2Fb%3Apull%2Cpush%2Cdelete", basic("ann", "secret"))] * 2


@pytest.mark.parametrize(
    ("credentials", "message"), [(None, "asks for a user and a password"), (ANN, "refuses the user or the password")]
)
async def test_a_refusal_says_what_is_missing(credentials, message):
    def answer(method, path, headers):
        return reply(401, WWW_Authenticate='Basic realm="x"')

    async with answering(answer) as port, registry(port, credentials) as client:
        with pytest.raises(RegistryUnusable, match=message):
            await client.request("GET", "/v2/") and await client.request("GET", "/v2/")


async def test_a_password_never_goes_from_https_to_plain_http():
    client = Registry(Address.parse("https://registry.example.com"), "a/b", ANN)

    with pytest.raises(RegistryUnusable, match="without encryption"):
        await client.access.meet(['Bearer realm="http://tokens.example.com/t",service="s"'])


async def test_a_token_that_would_break_a_header_is_refused():
    def answer(method, path, headers):
        return reply(200, b'{"token": "x\\r\\nX-Evil: y"}')

    async with answering(answer) as port, registry(port) as client:
        with pytest.raises(RegistryUnusable):
            await client.access.meet([f'Bearer realm="http://127.0.0.1:{port}/t"'])


async def test_an_upload_that_is_sent_on_to_another_server_is_refused():
    def answer(method, path, headers):
        return reply(202, Location="http://elsewhere.example.com/v2/a/b/blobs/uploads/1")

    async with answering(answer) as port, registry(port) as client:
        with pytest.raises(Refused, match=r"elsewhere\.example\.com"):
            await client.push_blob(None)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("registry.example.com", "https://registry.example.com"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://[::1]:80/v2/", "http://[::1]"),
        ("https://Registry.Example.com:443", "https://registry.example.com"),
    ],
)
def test_an_address_is_https_unless_it_is_this_machine(text, address):
    assert str(Address.parse(text)) == address


@pytest.mark.parametrize("text", ["", "ftp://x", "https://u:p@x", "https://x/y", "https://x?y", "http://x:port", "//"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(RegistryUnusable):
        Address.parse(text)


async def test_a_challenge_of_one_endless_word_takes_no_time():
    def answer(method, path, headers):
        return reply(401, WWW_Authenticate=f"Bearer {200_000 * 'a'}")

    async with answering(answer) as port, registry(port) as client, asyncio.timeout(10):
        with pytest.raises(RegistryUnusable, match="does not say from where"):
            await client.request("GET", "/v2/")


async def test_an_error_that_is_nested_without_end_is_told_by_its_status():
    async with answering(lambda *_: reply(500, b'{"x": ' + 100_000 * b"[")) as port, registry(port) as client:
        with pytest.raises(Refused, match="was answered with 500"):
            expect(await client.request("GET", "/v2/"), "the question", 200)


@pytest.mark.parametrize(
    ("realm", "token", "message"),
    [
        ("http://[", b"{}", "asks for a token from"),
        ("http://{host}/token", b'{"token": "\xe2\x82\xac"}', "refuses the user or the password"),
        ("http://{host}/token", b'{"token": "\xff"}', "instead of a token"),
        ("http://{host}/token", b'{"x": ' + 100_000 * b"[", "instead of a token"),
    ],
    ids=["nowhere", "no letters", "not UTF-8", "nested"],
)
async def test_a_token_that_cannot_be_had_is_told(realm, token, message):
    def answer(method, path, headers):
        if path.startswith("/token"):
            return reply(200, token)
        return reply(401, WWW_Authenticate=f'Bearer realm="{realm.format(host=headers["host"])}"')

    async with answering(answer) as port, registry(port) as client:
        with pytest.raises(RegistryUnusable, match=message):
            await client.request("GET", "/v2/")
