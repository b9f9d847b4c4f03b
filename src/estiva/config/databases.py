# SPDX-License-Identifier: Apache-2.0
"""The address of the database, which may hold a password."""

import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PASSWORD_PARAMETER = re.compile(r"(?i)([?&][a-z_]*password=)[^&]*")

MASK = "***"


def check_database(text: str) -> None:
    """Raise ValueError unless the text is empty, a path, or a `postgresql://` URL; never repeats the text."""
    found = _SCHEME.match(text)
    if found is None or found[1] == "postgresql":
        return
    if found[1] == "sqlite":
        raise ValueError("an SQLite database is given by its path alone, without sqlite://")
    raise ValueError(
        f"{found[1]}:// is not possible; write postgresql://user:password@host/name, or the path of a file"
    )


def mask_password(text: str) -> str:
    """Return the address without its password.

    A password with `@` or `/` in it breaks the URL's grammar; so everything up to the last `@` counts as one.
    """
    found = _SCHEME.match(text)
    if found is None:
        return text
    credentials, at, rest = text[found.end() :].rpartition("@")
    user, colon, _ = credentials.partition(":")
    shown = f"{user}{colon}{MASK}" if colon else user
    return _PASSWORD_PARAMETER.sub(rf"\g<1>{MASK}", f"{found[0]}{shown}{at}{rest}")
