# SPDX-License-Identifier: Apache-2.0
"""A registry as a process of its own, which can be killed and started again on the same data."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness.switches import variables

_READY = re.compile(r"http://localhost:(\d+)")
WORKERS = os.environ.get("TEST_WORKERS", "1")  # of each server, unless its settings say otherwise
START_LIMIT = 60  # seconds until a server that does not start is given up; CI machines are slow
STOP_LIMIT = 60


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without the settings that somebody may have put there."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("ESTIVA_")}
    return own | {"ESTIVA_WORKERS": WORKERS} | variables() | dict(more or {})


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and not yet reaped."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it is gone
        return []


def descendants(pid: int) -> list[int]:
    """Return the processes below a process."""
    return [below for child in children(pid) for below in (child, *descendants(child))]


def lives(pid: int) -> bool:
    """Tell whether a process is there, and not only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def command(*arguments: str | Path) -> list[str]:
    """Return what runs `estiva` with these arguments."""
    return [sys.executable, "-m", "estiva", *map(str, arguments)]


def run(
    *arguments: str | Path,
    settings: Mapping[str, str] | None = None,
    directory: Path | None = None,
    wrapper: Sequence[str | Path] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a command that is expected to end by itself, and return what it said."""
    return subprocess.run(
        [*map(str, wrapper), *command(*arguments)],
        env=environment(settings),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=START_LIMIT,
        check=False,
    )


# A suite in the background of a shell ignores SIGINT, and what it starts would inherit that.
HEARING_INTERRUPTS = ("env", "--default-signal=INT")


class ServerProcess:
    """A server, the leader of a process group; `settings` are variables of its environment.

    The port is chosen anew at each start. `wrapper` is a command to run the server under, such as strace. Logs are
    kept beside the data, unless `logs` names another directory.
    """

    def __init__(
        self,
        data: Path,
        settings: Mapping[str, str] | None = None,
        *,
        arguments: Sequence[str | Path] = (),
        wrapper: Sequence[str | Path] = (),
        logs: Path | None = None,
    ) -> None:
        self.data = data
        self.settings = dict(settings or {})
        self.port = 0
        self._arguments = arguments
        self._wrapper = wrapper
        self._process: subprocess.Popen[bytes] | None = None
        self._logs = logs or data.with_name(f"{data.name}.logs")
        self._logs.mkdir(exist_ok=True, parents=True)
        self._starts = 0

    @property
    def base(self) -> str:
        """The address that paths are added to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process that was started: the wrapper, if there is one."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """What the last start has written to the standard output: the announcement and the access log."""
        return self._log("out").read_text(errors="replace")

    @property
    def log(self) -> str:
        """What the last start has written to the standard error."""
        return self._log("err").read_text(errors="replace")

    def worker_pids(self) -> list[int]:
        """Return the processes that serve; they are forked by the one that was started, or by what it wraps."""
        return [pid for pid in descendants(self.pid) if not children(pid)]

    def pids(self) -> list[int]:
        """Return all processes of the server, the wrapper included."""
        return [self.pid, *descendants(self.pid)]

    def entries(self) -> list[dict[str, Any]]:
        """Return the lines of both streams, each of which must be JSON, the announcement aside."""
        lines = [line for line in self.output.splitlines()[1:] + self.log.splitlines() if line]
        return [json.loads(line) for line in lines]

    def _log(self, kind: str) -> Path:
        return self._logs / f"{self._starts}.{kind}"

    def launch(self) -> None:
        """Start the process, and do not wait for it."""
        assert not self.running
        self._starts += 1
        place = ["--open", "--port", "0", "--data", self.data]
        with self._log("out").open("wb") as output, self._log("err").open("wb") as log:
            self._process = subprocess.Popen(
                [*HEARING_INTERRUPTS, *map(str, self._wrapper), *command("serve", *place, *self._arguments)],
                env=environment(self.settings),
                stdout=output,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        assert await self.started_or_ended(), f"the server ended: {self.log}"

    async def started_or_ended(self) -> bool:
        """Start the process and wait until it listens, or has ended; tell whether it listens."""
        self.launch()
        async with asyncio.timeout(START_LIMIT):
            while (found := _READY.search(self.output)) is None and self.running:
                await asyncio.sleep(0.005)
        self.port = int(found[1]) if found else 0
        return found is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    async def ended(self, limit: float = STOP_LIMIT) -> int:
        """Wait until the process has ended, and return its exit code."""
        assert self._process is not None
        async with asyncio.timeout(limit):
            while (code := self._process.poll()) is None:
                await asyncio.sleep(0.005)
        return code

    async def stop(self) -> int:
        """Ask the server to stop, and return its exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def kill9(self) -> None:
        """Kill the process group: nothing in it runs another instruction, and all are dead when this returns."""
        pids = descendants(self.pid)
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        await self.ended()
        async with asyncio.timeout(STOP_LIMIT):
            while any(map(lives, pids)):
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    data: Path,
    settings: Mapping[str, str] | None = None,
    *,
    arguments: Sequence[str | Path] = (),
    wrapper: Sequence[str | Path] = (),
    logs: Path | None = None,
) -> AsyncIterator[ServerProcess]:
    """Run a server until the block ends; killed then unless it has ended by itself."""
    server = ServerProcess(data, settings, arguments=arguments, wrapper=wrapper, logs=logs)
    try:
        await server.start()
        yield server
    finally:
        await server.kill9()
