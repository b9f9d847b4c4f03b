# SPDX-License-Identifier: Apache-2.0
"""One connection to a server, kept as long as it lives; plain and blocking, as Hypothesis runs its rules."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def next(self) -> str | None:
        """The path of the next page."""
        link = self.headers["Link"]
        return None if link is None else link.partition(">")[0].removeprefix("<")


class Wire:
    """Sends one request after another to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __call__(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; every error must have the form that the specification gives it."""
        self._connection.request(method, path, body, dict(headers or {}))
        response = self._connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        assert answer.status < 500, answer
        if answer.status >= 400 and method != "HEAD":
            (error,) = answer.json["errors"]
            assert error["code"].isupper(), answer
            assert error["message"], answer
        return answer

    def pages(self, path: str, key: str) -> list[Any]:
        """Return a list that comes in pages."""
        entries: list[Any] = []
        following: str | None = path
        while following is not None:
            answer = self("GET", following)
            assert answer.status == 200, answer
            entries += answer.json[key]
            following = answer.next
        return entries

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
