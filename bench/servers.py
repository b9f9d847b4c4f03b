# SPDX-License-Identifier: Apache-2.0
"""One running contender, and what the kernel says that it costs."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.plan import KIB, BenchError
from bench.wire import HOST, Connection
from estiva.client.content import MANIFEST_TYPE

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_READY_S = 60
_STOP_S = 15
_POLL_S = 0.0005

Command = Callable[[Path, int], list[str]]
"""Writes what a server needs into a directory and returns the command that serves it on a port."""


class Server:
    """A server in a session of its own, storing everything under `directory`.

    Accounts cover the whole session, so every process that the command starts. `keeps` tells whether what was
    pushed can be read again.
    """

    def __init__(self, name: str, command: Command, directory: Path, *, keeps: bool = True) -> None:
        self.name = name
        self.keeps = keeps
        self.directory = directory
        self.port = free_port()
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start("/v2/", 200, 401)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, target: str, *statuses: int) -> float:
        """Start the processes; return the seconds until a GET of `target` is answered with one of `statuses`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = self._command(self.directory, self.port)
        with (self.directory / "server.log").open("ab") as log:
            begin = time.monotonic()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        while time.monotonic() - begin < _READY_S:
            if self._process.poll() is not None:
                break
            if self._answers(target, statuses):
                return time.monotonic() - begin
            time.sleep(_POLL_S)
        self.stop()
        raise BenchError(f"{self.name} did not come up\nThe end of its log:\n{self._log_end()}")

    def stop(self) -> None:
        """End the processes, politely at first."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def pids(self) -> list[int]:
        """Return the processes of the server's session."""
        return [pid for pid, _ in self._session()]

    def cpu_seconds(self) -> float:
        """Return the CPU time, user and system, that the session has used, ended children included."""
        return sum(sum(int(field) for field in fields[11:15]) for _, fields in self._session()) / _TICKS

    def resident_each(self) -> list[int]:
        """Return the resident memory of each process of the session."""
        return [int(fields[21]) * _PAGE for _, fields in self._session()]

    def forget_peak(self) -> None:
        """Let `peak_bytes` begin anew."""
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        """Return the sum of the most that each process has held at once."""
        return sum(_peak(pid) for pid in self.pids())

    def kill(self) -> None:
        """End the processes at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def resident_bytes(self) -> int:
        """Return the resident memory of the session; pages that processes share count once for each."""
        return sum(self.resident_each())

    def _session(self) -> list[tuple[int, list[str]]]:
        leader = str(self._process.pid if self._process else -1)
        stats = ((int(entry.name), _stat(entry)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [(pid, fields) for pid, fields in stats if fields and fields[3] == leader]

    def _answers(self, target: str, statuses: tuple[int, ...]) -> bool:
        try:
            with Connection(self.port) as connection:
                return connection.request("GET", target, headers={"Accept": MANIFEST_TYPE}).status in statuses
        except (OSError, BenchError):
            return False

    def _log_end(self) -> str:
        text = (self.directory / "server.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-5:]) or "(empty)"


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def machine_busy() -> tuple[float, float]:
    """Return the CPU seconds that the whole machine has been busy, and those that its hypervisor kept from it."""
    with Path("/proc/stat").open() as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq) / _TICKS, steal / _TICKS


def _peak(pid: int) -> int:
    """Return the most that a process has held in memory, in bytes; see proc_pid_status(5), VmHWM."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM:")), 0)


def _stat(entry: Path) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on, none when the process is gone."""
    try:
        text = (entry / "stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()
