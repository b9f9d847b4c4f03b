# SPDX-License-Identifier: Apache-2.0
"""Where settings come from, and what is told when something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from estiva.config import Settings, describe_settings, load_settings
from estiva.errors import SettingsInvalid
from estiva.options.server import OpenMode


@pytest.fixture
def file(tmp_path):
    """The path of a file of settings, not written yet."""
    return tmp_path / "estiva.toml"


def test_without_anything_said_the_defaults_hold():
    assert load_settings(None, {}, {}) == Settings()


def test_a_variable_wins_over_the_file_and_a_flag_over_both(file):
    file.write_text('host = "::1"\nport = 1\ndata = "file"\nopen = "anywhere"')
    environ = {"ESTIVA_PORT": "2", "ESTIVA_DATA": "variable"}
    settings = load_settings(file, environ, {"data": Path("flag"), "database": None, "open": OpenMode.LOOPBACK})
    assert (settings.server.host, settings.server.port, settings.server.data) == ("::1", 2, Path("flag"))
    assert settings.server.open is OpenMode.LOOPBACK
    assert settings.sources == {
        "host": f"{file}, host",
        "port": "ESTIVA_PORT",
        "data": "--data",
        "open": "--open",
    }


def test_a_variable_names_the_file(file):
    file.write_text("port = 5001")
    assert load_settings(None, {"ESTIVA_CONFIG": str(file)}, {}).server.port == 5001


def test_a_flag_for_the_file_wins_over_the_variable(file):
    file.write_text("port = 5001")
    assert load_settings(file, {"ESTIVA_CONFIG": "/does/not/exist"}, {}).server.port == 5001


def test_everything_that_is_wrong_is_told_at_once_with_its_place(file):
    file.write_text('prot = 1\n[limits]\npage = "x"')
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings(file, {"ESTIVA_LOG_LEVLE": "info", "ESTIVA_LOG_FORMAT": "xml"}, {"port": "many"})
    assert refusal.value.message.splitlines() == [
        f"{file}, prot: is not a setting; did you mean port?",
        f"{file}, limits.page: takes a whole number, not a string",
        "ESTIVA_LOG_FORMAT: 'xml' is none of auto, console, json",
        "ESTIVA_LOG_LEVLE: is not a setting; did you mean ESTIVA_LOG_LEVEL?",
        "--port: 'many' is not a whole number",
    ]


def test_a_wrong_value_is_told_although_another_place_wins(file):
    file.write_text("port = -1")
    with pytest.raises(SettingsInvalid, match="-1 is out of bounds"):
        load_settings(file, {"ESTIVA_PORT": "5001"}, {})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("min_free = 5", "min_free: is not a setting; did you mean storage.min_free?"),
        ("[storag]\nmin_fre = 5", "storag.min_fre: is not a setting; did you mean storage.min_free?"),
        ("[server]\nport = 5", "server.port: is not a setting; did you mean port?"),
        ("[server]", "server: is not a setting"),
        ("[storage]\nmin_free = {x = {y = 1}}", "storage.min_free: takes a size"),
        ("storage = 5", "storage: is a table, [storage]"),
        ("[[storage]]", "storage: is a table, [storage]"),
        ("zzzzzz = 5", "zzzzzz: is not a setting"),
        ('"po\\nrt" = 5', r"'po\nrt': is not a setting; did you mean port?"),
        ("port = ", "is not TOML: Invalid value"),
        ("port = 1\nport = 2", "is not TOML: Cannot overwrite a value"),
    ],
)
def test_a_file_with_an_unknown_key_is_refused_with_the_nearest_one(file, text, complaint):
    file.write_text(text)
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings(file, {}, {})
    [line] = refusal.value.message.splitlines()
    assert complaint in line


def test_an_empty_table_says_nothing(file):
    file.write_text("[limits]\n[storage]\n")
    assert load_settings(file, {}, {}) == Settings()


def test_a_file_that_cannot_be_read_is_told(file, tmp_path):
    with pytest.raises(SettingsInvalid, match="cannot be read: No such file or directory"):
        load_settings(file, {}, {})
    with pytest.raises(SettingsInvalid, match="cannot be read: Is a directory"):
        load_settings(tmp_path, {}, {})


def test_a_file_that_is_not_text_is_told(file):
    file.write_bytes(b"host = '\xff'")
    with pytest.raises(SettingsInvalid, match="is not TOML"):
        load_settings(file, {}, {})


def test_a_deeply_nested_file_is_refused_like_any_other(file):
    file.write_text("a = " + "[" * 100_000)
    with pytest.raises(SettingsInvalid, match="is not TOML"):
        load_settings(file, {}, {})


def test_a_page_of_the_catalog_is_no_longer_than_the_longest_page():
    with pytest.raises(SettingsInvalid, match=r"limits\.page \(1000\) is more than limits\.page_maximum \(10\)"):
        load_settings(None, {"ESTIVA_LIMITS_PAGE_MAXIMUM": "10"}, {})


def test_every_setting_can_be_set_by_its_variable_and_by_its_key(file):
    for setting in describe_settings():
        settings = load_settings(None, {setting.variable: _text(setting)}, {})
        assert setting.value(settings) == setting.default
        assert set(settings.sources) == {setting.key} - _unsaid(setting)


def _text(setting):
    return setting.form.show(setting.default).strip('"[]')


def _unsaid(setting):
    """An empty variable says nothing."""
    return set() if _text(setting) else {setting.key}


def test_reading_settings_imports_nothing_heavy():
    script = (
        "import sys, estiva.config\n"
        "estiva.config.load_settings(None, {'ESTIVA_PORT': '1'}, {})\n"
        "heavy = {'sqlalchemy', 'asyncpg', 'alembic', 'aiohttp', 'structlog', 'prometheus_client', 'typer', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
