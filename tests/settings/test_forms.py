# SPDX-License-Identifier: Apache-2.0
"""What each form of value takes and refuses."""

from pathlib import Path

import pytest

from estiva.config import load_settings
from estiva.errors import SettingsInvalid
from estiva.options.content import Missing
from estiva.options.log import LogFormat


@pytest.fixture
def from_toml(tmp_path):
    """Load settings from the text of a file."""

    def load(text):
        file = tmp_path / "estiva.toml"
        file.write_text(text)
        return load_settings(file, {}, {})

    return load


def from_variable(name, text):
    return load_settings(None, {name: text}, {})


def test_toml_has_values_of_the_types_it_can_tell(from_toml):
    settings = from_toml(
        """
        host = "::1"
        port = 5001
        data = "/srv/estiva"
        database = "postgresql:///estiva"
        [limits]
        manifest_bytes = 8388608
        head_bytes = "16KiB"
        keepalive = 10
        stall_timeout = 0.5
        drain_timeout = "2m"
        [content]
        delete = false
        missing_blobs = "accept"
        [proxy]
        trusted = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]
        """
    )
    assert (settings.server.host, settings.server.port) == ("::1", 5001)
    assert settings.server.data == Path("/srv/estiva")
    assert settings.server.database == "postgresql:///estiva"
    assert (settings.limits.manifest_bytes, settings.limits.head_bytes) == (8 * 1024 * 1024, 16 * 1024)
    assert (settings.limits.keepalive, settings.limits.stall_timeout, settings.limits.drain_timeout) == (10, 0.5, 120)
    assert (settings.content.delete, settings.content.missing_blobs) == (False, Missing.ACCEPT)
    assert settings.proxy.trusted == ("10.0.0.0/8", "fd00::/8", "192.0.2.1/32")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('port = "5000"', "port: takes a whole number, not a string"),
        ("port = true", "port: takes a whole number, not a boolean"),
        ("port = 5000.0", "port: takes a whole number, not a float"),
        ("port = 65536", "port: 65536 is out of bounds; from 0 to 65535"),
        ("port = {number = 1}", "port: takes a whole number, not a table"),
        ("data = 5", "data: takes a path, not an integer"),
        ('data = ""', "data: takes a path, not nothing"),
        ('data = "a\\u0000b"', "data: has a NUL character in it"),
        ("host = []", "host: takes a host name or an address, not an array"),
        ("database = 2025-01-01", "database: takes a path or a URL, not a date or time"),
        ('limits.page = "10"', "limits.page: takes a whole number, not a string"),
        ("limits.page = 0", "limits.page: 0 is out of bounds; from 1 to 1000000"),
        ("limits.manifest_bytes = true", "limits.manifest_bytes: takes a size such as"),
        ('limits.manifest_bytes = "1MiB"', "limits.manifest_bytes: 1048576 bytes is out of bounds; at least 4MiB"),
        ("storage.min_free = -1", "storage.min_free: -1 bytes is out of bounds; at least 0B"),
        ("storage.min_free = 9223372036854775808", "is out of bounds"),
        ("storage.sweep_every = 0", "storage.sweep_every: 0 seconds is out of bounds; from 0.001s to 3650d"),
        ("storage.sweep_every = inf", "storage.sweep_every: inf seconds is out of bounds"),
        ("storage.sweep_every = nan", "storage.sweep_every: nan seconds is out of bounds"),
        ("storage.sweep_every = true", "storage.sweep_every: takes a duration such as"),
        ("content.delete = 1", "content.delete: takes true or false, not an integer"),
        ('log.format = "jsn"', "log.format: 'jsn' is none of auto, console, json; did you mean json?"),
        ("log.format = 5", "log.format: takes one of auto, console, json, not an integer"),
        ('proxy.trusted = "10.0.0.0/8"', "proxy.trusted: takes a list such as"),
        ("proxy.trusted = [5]", "proxy.trusted: takes a list such as"),
        ('proxy.trusted = ["10.1.0.0/8"]', "'10.1.0.0/8' is not a CIDR block; write 10.0.0.0/8"),
        ('proxy.trusted = ["proxy"]', "'proxy' is not a CIDR block; write 10.0.0.0/8, 192.0.2.1 or fd00::/8"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_to_write(from_toml, line, complaint):
    with pytest.raises(SettingsInvalid) as refusal:
        from_toml(line)
    assert complaint in refusal.value.message


@pytest.mark.parametrize(
    "host", ["localhost", "0.0.0.0", "::", "::1", "fe80::1%eth0", "registry.example.com", "a_b", "x"]
)
def test_a_host_is_a_name_or_an_address(host):
    assert from_variable("ESTIVA_HOST", host).server.host == host


@pytest.mark.parametrize(
    "host", ["*", "[::1]", "localhost:5000", "http://localhost", "a b", "-a", "a/b", "1:2", "localhost,::1", "a\nb"]
)
def test_what_is_no_host_is_refused(host):
    with pytest.raises(SettingsInvalid, match="is neither a host name nor an address"):
        from_variable("ESTIVA_HOST", host)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("TRUE", True),
        ("yes", True),
        ("on", True),
        ("1", True),
        ("false", False),
        ("No", False),
        ("0", False),
    ],
)
def test_a_variable_says_yes_or_no_in_the_usual_words(text, value):
    assert from_variable("ESTIVA_CONTENT_DELETE", text).content.delete is value


def test_another_word_is_neither_yes_nor_no():
    with pytest.raises(SettingsInvalid, match="ESTIVA_CONTENT_DELETE: 'maybe' is neither true nor false"):
        from_variable("ESTIVA_CONTENT_DELETE", "maybe")


def test_a_list_in_a_variable_has_commas():
    settings = from_variable("ESTIVA_PROXY_TRUSTED", "10.0.0.0/8, 192.0.2.7,")
    assert settings.proxy.trusted == ("10.0.0.0/8", "192.0.2.7/32")


def test_white_space_around_a_variable_is_no_part_of_it():
    assert from_variable("ESTIVA_LOG_FORMAT", " json\n").log.format is LogFormat.JSON


def test_a_value_that_is_not_utf8_is_refused():
    with pytest.raises(SettingsInvalid, match="ESTIVA_DATA: is not valid UTF-8"):
        from_variable("ESTIVA_DATA", "/srv/\udcff")


@pytest.mark.parametrize(
    "text", ["", "estiva.db", "/srv/estiva.db", "postgresql://u:p@h/d", "postgresql:///d?host=/run"]
)
def test_a_database_is_nothing_a_path_or_a_postgresql_url(text):
    assert from_variable("ESTIVA_DATABASE", text).server.database == text


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("postgres://u:hunter2@h/d", "write postgresql://user:password@host/name"),
        ("postgresql+asyncpg://u:hunter2@h/d", "write postgresql://user:password@host/name"),
        ("mysql://u:hunter2@h/d", "or the path of a file"),
        ("sqlite:///hunter2", "by its path alone"),
    ],
)
def test_another_database_is_refused_without_showing_its_password(text, cure):
    with pytest.raises(SettingsInvalid) as refusal:
        from_variable("ESTIVA_DATABASE", text)
    assert cure in refusal.value.message
    assert "hunter2" not in refusal.value.message
