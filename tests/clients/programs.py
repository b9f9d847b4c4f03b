# SPDX-License-Identifier: Apache-2.0
"""Find, run, start and stop the programs that the tests talk to.

A program is looked for in `.cache/bin` (where `tests/tools/install-clients` puts what it builds), then on the PATH,
then where Debian keeps daemons.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache"
SEARCHED = os.pathsep.join((str(CACHE / "bin"), os.environ["PATH"], "/usr/sbin"))
COMMAND_TIMEOUT = 240
START_TIMEOUT = 60
STOP_TIMEOUT = 60


def find(name: str) -> str | None:
    """Tell where a program is, or None."""
    return shutil.which(name, path=SEARCHED)


def needed(name: str) -> str:
    """Tell where a program is; without it the test is skipped, and fails in CI."""
    found = find(name)
    if found is None:
        missing(f"{name} is not installed: run tests/tools/install-clients")
    return str(found)


def missing(reason: str) -> None:
    """End the test because of something that this machine lacks."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (nothing may be missing in CI)", pytrace=False)
    pytest.skip(reason)


class Client:
    """A command-line client with the options and the environment that keep it to its own directory.

    Calling it runs one command and returns what it printed; a failure shows both outputs.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.command = tuple(command)
        self.environment = {**os.environ, "PATH": SEARCHED, **(environment or {})}

    def __call__(self, *arguments: str | Path, given: bytes | None = None, at: Path | None = None) -> str:
        return self.raw(*arguments, given=given, at=at).decode()

    def told(self, *arguments: str | Path) -> str:
        """Run one command and return what it printed on both outputs."""
        done = self._run(arguments, None, None)
        assert done.returncode == 0, self._account(done)
        return (done.stdout + done.stderr).decode()

    def raw(self, *arguments: str | Path, given: bytes | None = None, at: Path | None = None) -> bytes:
        """Run one command and return what it printed, byte for byte."""
        done = self._run(arguments, given, at)
        assert done.returncode == 0, self._account(done)
        return done.stdout

    def refused(self, *arguments: str | Path) -> str:
        """Run one command that must fail and return what it complained about."""
        done = self._run(arguments, None, None)
        assert done.returncode != 0, self._account(done)
        return done.stderr.decode()

    def also(self, *options: str) -> Self:
        """Return the same client with further options in front."""
        return type(self)((*self.command, *options), self.environment)

    def within(self, environment: Mapping[str, str]) -> Self:
        """Return the same client with further environment variables."""
        return type(self)(self.command, {**self.environment, **environment})

    def _run(
        self, arguments: Sequence[str | Path], given: bytes | None, at: Path | None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            input=given or b"",
            cwd=at,
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=COMMAND_TIMEOUT,
        )

    @staticmethod
    def _account(done: subprocess.CompletedProcess[bytes]) -> str:
        said = "\n".join(text.decode(errors="replace").strip() for text in (done.stdout, done.stderr))
        return f"{' '.join(done.args)}\nended with {done.returncode}:\n{said}"


class _Output(threading.Thread):
    """Keep what a program prints, and tell when a line of it matches."""

    def __init__(self, process: subprocess.Popen[str], ready: str) -> None:
        super().__init__(daemon=True)
        self.lines: list[str] = []
        self.ready: Future[re.Match[str]] = Future()
        self._process = process
        self._pattern = re.compile(ready)

    def run(self) -> None:
        for line in self._process.stdout or ():
            self.lines.append(line)
            found = self._pattern.search(line)
            if found and not self.ready.done():
                self.ready.set_result(found)
        if not self.ready.done():
            self.ready.set_exception(EOFError("it ended before it was ready:\n" + "".join(self.lines)))


@contextmanager
def running(
    command: Sequence[str | Path], *, ready: str, environment: Mapping[str, str] | None = None
) -> Iterator[re.Match[str]]:
    """Run a program for as long as the block lasts; the value is the match of `ready` in what it printed.

    It is stopped by SIGTERM to its own process id; one that does not stop is killed, and that is an error. The kernel
    sends the same signal when the tests are killed, so that no engine is left behind.
    """
    process = subprocess.Popen(
        [needed("setpriv"), "--pdeathsig=TERM", "--", *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PATH": SEARCHED, **(environment or {})},
        start_new_session=True,
    )
    output = _Output(process, ready)
    output.start()
    try:
        yield output.ready.result(timeout=START_TIMEOUT)
    finally:
        _stop(process, output)


def _stop(process: subprocess.Popen[str], output: _Output) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{process.args} did not stop on SIGTERM:\n{''.join(output.lines[-40:])}") from None
    finally:
        output.join(STOP_TIMEOUT)
        if process.stdout is not None and not output.is_alive():
            process.stdout.close()
