# SPDX-License-Identifier: Apache-2.0
"""Write the pages of docs/ that list what the code declares: settings, commands, metrics.

    python scripts/write_docs.py

A test compares the pages with what this would write.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from estiva.cli.commands import commands
from estiva.config import describe_settings
from estiva.telemetry.families import FAMILIES, PROCESS_FAMILIES

DOCS = Path(__file__).parents[1] / "docs"

SETTINGS = """\
# Settings

Every setting has a key in a TOML file, a variable, and for some a flag of `estiva serve`. Flags win over variables,
variables over the file, the file over defaults. The file is the one that `--config` or `ESTIVA_CONFIG` names; there is
no other place where one is looked for.

```toml
port = 5001
open = "loopback"

[storage]
min_free = "1GiB"
```

`estiva config show` prints the settings in force and where each came from, `estiva config check` what is wrong with
them. An unknown key or `ESTIVA_*` variable is an error. An empty variable counts as absent. The variables that
Kubernetes sets for services named `estiva...` (`ESTIVA_PORT=tcp://...`, `ESTIVA_SERVICE_HOST`, ...) are ignored.

- **size**: `64MiB` (powers of 1024: `KiB`, `MiB`, `GiB`, `TiB`), `64MB` (powers of 1000: `kB`, `MB`, `GB`, `TB`), or a
  number of bytes.
- **duration**: `500ms`, `30s`, `15m`, `24h`, `7d`, or a number of seconds.
- **list**: an array in the file; with commas in a variable.
- **path**: a relative one begins at the directory in which the command is run.
"""

COMMANDS = """\
# Commands

Exit codes: 0 when all went well, 2 when there is something to mend (settings, arguments, a taken port or data
directory; the message says what), 1 for anything else. `python -m estiva` is the same as `estiva`.
"""

METRICS = """\
# Metrics

`GET /metrics` answers in Prometheus' text format, with the sum over all workers, whichever of them is asked. The counts
begin at zero with each start of the server; no worker that dies, and no reload, sets one back. Each worker tells the
others its numbers every second, so those may be a second old.
"""


def settings_page() -> str:
    """Return docs/settings.md."""
    return SETTINGS + "".join(_settings())


def _settings() -> Iterator[str]:
    part = ""
    for setting in describe_settings():
        if setting.part != part:
            part = setting.part
            title = "The top level of the file" if "." not in setting.key else f"`[{part}]`"
            yield f"\n## {title}\n\n| key | variable | default | form | what it does |\n|---|---|---|---|---|\n"
        default = setting.form.show(setting.default)
        yield _row(f"`{setting.key}`", f"`{setting.variable}`", f"`{default}`", setting.form.name, setting.text)


def commands_page() -> str:
    """Return docs/commands.md."""
    return COMMANDS + "".join(_commands("estiva", get_command(commands)))


def _commands(name: str, command: Any) -> Iterator[str]:
    """Yield a section for a command, and for those below it."""
    yield f"\n## `{name}`\n\n{command.help}\n"
    if command.params:
        yield "\n| option | meaning |\n|---|---|\n"
    for option in command.params:
        names = ", ".join(f"`{spelling}`" for spelling in (*option.opts, *option.secondary_opts))
        yield _row(names + (f" {option.metavar}" if option.metavar else ""), option.help)
    for child in getattr(command, "commands", {}).values():
        yield from _commands(f"{name} {child.name}", child)


def metrics_page() -> str:
    """Return docs/metrics.md."""
    header = "\n| metric | labels | meaning |\n|---|---|---|\n"
    rows = [
        _row(f"`{family.name}`", ", ".join(f"`{label}`" for label in family.labels), family.text)
        for family in (*FAMILIES, *PROCESS_FAMILIES)
    ]
    return METRICS + header + "".join(rows)


def _row(*cells: str) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |\n"


PAGES = {"settings.md": settings_page, "commands.md": commands_page, "metrics.md": metrics_page}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), "utf-8")
