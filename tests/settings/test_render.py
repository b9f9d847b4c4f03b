# SPDX-License-Identifier: Apache-2.0
"""The settings written back as a file."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiva.config import Settings, describe_settings, load_settings, plain_value, render_settings, source_of
from estiva.config.databases import mask_password
from estiva.options.content import ContentOptions, Missing
from estiva.options.limits import LimitOptions
from estiva.options.log import LogFormat, LogLevel, LogOptions
from estiva.options.proxy import ProxyOptions
from estiva.options.server import OpenMode, ServerOptions
from estiva.options.storage import StorageOptions

paths = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).map(Path)
durations = st.integers(1, 10**10).map(lambda milliseconds: milliseconds / 1000)
counts = st.integers(1, 1_000_000)
settings_trees = st.builds(
    Settings,
    server=st.builds(
        ServerOptions,
        host=st.sampled_from(["localhost", "::1"]),
        port=st.integers(0, 65535),
        data=paths,
        database=paths.map(str).filter(lambda text: "://" not in text),
        open=st.sampled_from(OpenMode),
    ),
    limits=st.builds(
        LimitOptions,
        manifest_bytes=st.integers(4 * 1024 * 1024, 2**50),
        keepalive=durations,
        drain_timeout=st.just(0.0) | durations,
        page=st.integers(1, 10_000),
    ),
    storage=st.builds(StorageOptions, min_free=st.integers(0, 2**50), review_after=durations),
    content=st.builds(ContentOptions, delete=st.booleans(), missing_blobs=st.sampled_from(Missing)),
    proxy=st.builds(
        ProxyOptions, trusted=st.lists(st.ip_addresses(network="10.0.0.0/8").map("{}/32".format)).map(tuple)
    ),
    log=st.builds(LogOptions, format=st.sampled_from(LogFormat), level=st.sampled_from(LogLevel), access=st.booleans()),
)


@given(settings_trees)
def test_a_rendered_file_says_the_same_settings(tmp_path_factory, settings):
    file = tmp_path_factory.mktemp("rendered") / "estiva.toml"
    file.write_text(render_settings(settings), newline="")
    assert load_settings(file, {}, {}) == settings


def test_every_setting_stands_in_it_with_its_meaning_and_its_source(tmp_path):
    settings = load_settings(None, {"ESTIVA_STORAGE_MIN_FREE": "1GiB"}, {"port": "5001"})
    text = render_settings(settings)
    document = tomllib.loads(text)
    top = {key: value for key, value in document.items() if not isinstance(value, dict)}
    keys = [*top, *(f"{part}.{name}" for part in document.keys() - top.keys() for name in document[part])]
    assert sorted(keys) == sorted(setting.key for setting in describe_settings())
    assert "# TCP port to listen on; 0 takes a free one.\n" in text
    assert "# ESTIVA_PORT, number, 0 to 65535; from --port\nport = 5001\n" in text
    assert '# ESTIVA_STORAGE_MIN_FREE, size; from ESTIVA_STORAGE_MIN_FREE\nmin_free = "1GiB"\n' in text
    assert "# ESTIVA_LIMITS_PAGE, number, 1 to 1000000; from default\npage = 1000\n" in text


def test_the_name_of_a_file_cannot_break_out_of_its_comment(tmp_path):
    file = tmp_path / "a\nport = 1\n.toml"
    file.write_text("port = 2")
    assert tomllib.loads(render_settings(load_settings(file, {}, {})))["port"] == 2


def test_a_value_that_nobody_said_comes_from_the_program():
    [port] = [setting for setting in describe_settings() if setting.key == "port"]
    assert source_of(port, Settings(server=ServerOptions(port=1))) == "program"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://user:hunter2@host:5432/name", "postgresql://user:***@host:5432/name"),
        ("postgresql://user:hunter2@/name", "postgresql://user:***@/name"),
        ("postgresql://user:hunt/er2@host/name", "postgresql://user:***@host/name"),
        ("postgresql://user:hunt@er2@host/name", "postgresql://user:***@host/name"),
        ("postgresql://user:hunt?er#2@host/name", "postgresql://user:***@host/name"),
        ("postgresql:///name?user=u&password=hunter2&host=/run", "postgresql:///name?user=u&password=***&host=/run"),
        ("postgresql:///name?PASSWORD=hunter2", "postgresql:///name?PASSWORD=***"),
        ("postgresql:///name?sslpassword=hunter2", "postgresql:///name?sslpassword=***"),
        ("postgresql://user@host:5432/name", "postgresql://user@host:5432/name"),
        ("postgresql://host:5432/name", "postgresql://host:5432/name"),
        ("estiva.db", "estiva.db"),
        ("", ""),
    ],
)
def test_a_password_is_masked(url, masked):
    assert mask_password(url) == masked


def test_no_password_is_shown_anywhere():
    settings = load_settings(None, {"ESTIVA_DATABASE": "postgresql://user:hunter2@host/name"}, {})
    shown = [repr(settings), render_settings(settings)]
    shown += [str(plain_value(setting, settings)) for setting in describe_settings()]
    assert "hunter2" not in "".join(shown)
