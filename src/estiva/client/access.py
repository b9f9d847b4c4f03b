# SPDX-License-Identifier: Apache-2.0
"""What a registry wants to know about its caller: nothing, a password (Basic), or a token (Bearer).

Challenges as in RFC 7235, section 4.1; tokens as the distribution project's token specification has them.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import msgspec

from estiva.client.address import Address
from estiva.client.wire import Answer
from estiva.errors import RegistryUnusable

ACTIONS = "pull,push,delete"

# From the beginning of a word to its end, and back never: else a long word takes time that grows with its square.
_PARAMETER = re.compile(r'\b(\w++)="([^"]*)"')


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user and a password."""

    user: str
    password: str

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


Fetch = Callable[[Address, bytes], Awaitable[Answer]]
"""Sends a request to a server and returns its answer."""


@dataclass(slots=True, kw_only=True)
class Access:
    """The Authorization header of requests to one repository, kept valid as challenges come."""

    address: Address
    repository: str
    credentials: Credentials | None
    fetch: Fetch
    line: str = ""
    """The header line with its end; empty while none was asked for."""

    async def meet(self, challenges: Sequence[str]) -> None:
        """Do what a 401 asks for. Raises RegistryUnusable when that is not possible."""
        by_scheme = {scheme.lower(): rest for scheme, _, rest in (text.partition(" ") for text in challenges)}
        if "bearer" in by_scheme:
            token = await self._token(dict(_PARAMETER.findall(by_scheme["bearer"])))
            self._set(f"Bearer {token}")
        elif "basic" in by_scheme:
            self._set(self._known().basic)
        else:
            raise RegistryUnusable(f"{self.address} asks for authentication of an unknown kind")

    def _set(self, value: str) -> None:
        line = f"Authorization: {value}\r\n"
        if line == self.line or not (value.isascii() and value.isprintable()):
            raise RegistryUnusable(f"{self.address} refuses the user or the password")
        self.line = line

    def _known(self) -> Credentials:
        if self.credentials is None:
            raise RegistryUnusable(
                f"{self.address} asks for a user and a password", hint="give them by --user and --password-stdin"
            )
        return self.credentials

    async def _token(self, challenge: Mapping[str, str]) -> str:
        realm = challenge.get("realm", "")
        try:
            parts = urlsplit(realm)
        except ValueError as error:
            raise RegistryUnusable(f"{self.address} asks for a token from {realm!r}: {error}") from error
        if "://" not in realm:
            raise RegistryUnusable(f"{self.address} asks for a token, and does not say from where")
        origin = Address.parse(f"{parts.scheme}://{parts.netloc}", verify=self.address.verify)
        if self.credentials and origin.scheme == "http" and self.address.scheme == "https":
            raise RegistryUnusable(f"{self.address} wants its password sent without encryption, to {origin}")
        query = {"service": challenge.get("service", ""), "scope": f"repository:{self.repository}:{ACTIONS}"}
        target = f"{parts.path or '/'}?{'&'.join(filter(None, (parts.query, urlencode(query))))}"
        line = f"Authorization: {self.credentials.basic}\r\n" if self.credentials else ""
        request = f"GET {target} HTTP/1.1\r\nHost: {origin.authority}\r\n{line}\r\n"
        answer = await self.fetch(origin, request.encode("latin-1"))
        if answer.status in (401, 403):
            self._known()
            raise RegistryUnusable(f"{origin} refuses the user or the password")
        try:
            told = answer.document(_Token)
        except ValueError as error:
            raise RegistryUnusable(f"{origin} answers with {answer.status} instead of a token") from error
        return told.token or told.access_token
