# SPDX-License-Identifier: Apache-2.0
"""The command line."""

import json
import os
import socket
import subprocess
import sys
import tomllib

import pytest
from typer.testing import CliRunner

from estiva import __version__
from estiva.cli.commands import commands
from estiva.config import Settings, describe_settings, render_settings

PASSWORD = "hunter2"


@pytest.fixture
def estiva(monkeypatch, tmp_path):
    """Run a command in this process, in a directory of its own, with only the given ESTIVA_ variables."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ESTIVA_")]:
        monkeypatch.delenv(name)

    def run(*arguments, **variables):
        return CliRunner().invoke(commands, arguments, env=variables, prog_name="estiva")

    return run


def program(*arguments, cwd, **variables):
    """Run a command as a process of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ESTIVA_")}
    return subprocess.run(
        [sys.executable, "-m", "estiva", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env=environ | variables,
        check=False,
    )


def test_the_version_is_told(estiva):
    assert estiva("--version").output == f"estiva {__version__}\n"


def test_help_names_every_command_and_costs_no_server(tmp_path):
    script = (
        "import sys\n"
        "from estiva.cli import main\n"
        "sys.argv = ['estiva', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "heavy = {'aiohttp', 'sqlalchemy', 'alembic', 'structlog', 'prometheus_client', 'uvloop'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "serve" in done.stdout
    assert "config" in done.stdout


def test_importing_the_program_imports_no_command():
    script = "import sys, estiva.__main__\nassert 'typer' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)


def test_without_a_command_help_is_shown(estiva):
    assert "Usage: estiva" in estiva().output


def test_a_server_that_nobody_opened_does_not_start(tmp_path):
    done = program("serve", cwd=tmp_path)
    assert done.returncode == 2
    complaint, hint = done.stderr.splitlines()
    assert complaint == "estiva: this server has no authentication, and no setting says who may push to it"
    assert "--open-anywhere (or ESTIVA_OPEN=anywhere)" in hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "variables", "complaint"),
    [
        (["--open", "--host", "0.0.0.0"], {}, "--open-anywhere (ESTIVA_OPEN=anywhere)"),
        (["--open"], {"ESTIVA_HOST": "::"}, ":: is not a loopback address"),
        (["--open", "--port", "many"], {}, "--port: 'many' is not a whole number"),
        (["--open", "--host", "a b"], {}, "--host: 'a b' is neither a host name nor an address"),
        (["--open", "--data", ""], {}, "--data: takes a path"),
        (["--open", "--database", f"mysql://u:{PASSWORD}@h/d"], {}, "--database: mysql:// is not possible"),
        (["--open", "--config", "missing.toml"], {}, "missing.toml: cannot be read"),
        (["--open"], {"ESTIVA_PROT": "1"}, "ESTIVA_PROT: is not a setting; did you mean ESTIVA_PORT?"),
    ],
)
def test_a_wrong_setting_ends_serve_with_what_to_mend(estiva, arguments, variables, complaint):
    done = estiva("serve", *arguments, **variables)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert PASSWORD not in done.output
    assert "Traceback" not in done.output


def test_a_taken_port_is_told_without_a_traceback(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = program("serve", "--open", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 2
    assert "is taken by another program" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_directory_that_cannot_be_made_is_told_without_a_traceback(tmp_path):
    (tmp_path / "file").touch()
    done = program("serve", "--open", "--port", "0", "--data", "file", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


class TestCheck:
    """`estiva config check`."""

    def test_valid_settings_exit_with_zero(self, estiva):
        done = estiva("config", "check", ESTIVA_OPEN="loopback")
        assert (done.exit_code, done.output) == (0, "The settings are valid.\n")

    def test_a_server_that_would_not_start_for_want_of_a_flag_is_a_warning(self, estiva):
        done = estiva("config", "check")
        assert done.exit_code == 0
        assert "warning: `estiva serve` needs a flag" in done.stderr
        assert "--open-anywhere" in done.stderr

    def test_every_error_is_told(self, estiva):
        done = estiva("config", "check", ESTIVA_PORT="x", ESTIVA_LOG_FORMAT="y")
        assert done.exit_code == 2
        assert [line.partition(" '")[0] for line in done.stderr.splitlines()] == [
            "error: ESTIVA_LOG_FORMAT:",
            "error: ESTIVA_PORT:",
        ]
        assert done.stdout == ""

    def test_programs_read_json(self, estiva):
        done = estiva("config", "check", "--json", ESTIVA_PORT="x")
        assert done.exit_code == 2
        assert json.loads(done.stdout) == {
            "valid": False,
            "errors": ["ESTIVA_PORT: 'x' is not a whole number"],
            "warnings": [],
        }

    def test_json_has_the_warnings(self, estiva):
        report = json.loads(estiva("config", "check", "--json").stdout)
        assert (report["valid"], report["errors"], len(report["warnings"])) == (True, [], 1)


class TestShow:
    """`estiva config show`."""

    def test_it_is_a_file_of_settings(self, estiva):
        assert estiva("config", "show").stdout == render_settings(Settings())

    def test_it_shows_what_file_and_environment_say(self, estiva, tmp_path):
        file = tmp_path / "estiva.toml"
        file.write_text("port = 5001")
        done = estiva("config", "show", "--config", str(file), ESTIVA_LOG_LEVEL="debug")
        shown = tomllib.loads(done.stdout)
        assert (shown["port"], shown["log"]["level"]) == (5001, "debug")
        assert f"from {file}, port" in done.stdout

    def test_a_password_is_masked_in_both_forms(self, estiva):
        url = f"postgresql://u:{PASSWORD}@h/d"
        outputs = [estiva("config", "show", *form, ESTIVA_DATABASE=url).output for form in ([], ["--json"])]
        assert ["postgresql://u:***@h/d" in output for output in outputs] == [True, True]
        assert [PASSWORD in output for output in outputs] == [False, False]

    def test_json_has_every_setting_and_its_source(self, estiva):
        rows = json.loads(estiva("config", "show", "--json", ESTIVA_STORAGE_MIN_FREE="1GiB").stdout)
        assert [row["key"] for row in rows] == [setting.key for setting in describe_settings()]
        assert {
            "key": "storage.min_free",
            "variable": "ESTIVA_STORAGE_MIN_FREE",
            "value": "1GiB",
            "source": "ESTIVA_STORAGE_MIN_FREE",
        } in rows

    def test_wrong_settings_are_told(self, estiva):
        done = estiva("config", "show", ESTIVA_PORT="x")
        assert (done.exit_code, done.stdout) == (2, "")
        assert "estiva: ESTIVA_PORT: 'x' is not a whole number" in done.stderr
