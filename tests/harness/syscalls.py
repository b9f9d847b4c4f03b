# SPDX-License-Identifier: Apache-2.0
"""System calls of a server, as strace recorded them.

1. Threads are followed, so one call may be recorded in two lines: `<unfinished ...>` and `<... resumed>`. A call here
   has the positions of both, so that "ended before the other began" can be told.
2. strace holds a thread at each end of a call, so positions are true to what the calls cause among threads.
"""

import asyncio
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from harness.process import ServerProcess

SYNCS = ("fsync", "fdatasync")
WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2")
SENDS = ("write", "writev", "sendto", "sendmsg", "sendmmsg")
TRACED = sorted({*SYNCS, *WRITES, *SENDS, "mkdir", "mkdirat", "openat"})

_LINE = re.compile(r"(?P<thread>\d+) +(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*?)(?:\) += (?P<result>-?\d+|\?).*)?$")
_UNFINISHED = re.compile(r"(?P<begin>.*?) *<unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<end>.*)$")
_NAMED = re.compile(r'"([^"]*)"')
_PATH = re.compile(r"\d+<(?P<path>[^>]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call; `began` and `ended` are positions in the record."""

    began: int
    ended: int
    name: str
    arguments: str
    result: int

    @property
    def path(self) -> str:
        """The path of the file that the call is about, or what stands for it."""
        found = _PATH.match(self.arguments)
        return "" if found is None else found["path"]

    @property
    def named(self) -> str:
        """The first path among the arguments that the call gives as text."""
        found = _NAMED.search(self.arguments)
        return "" if found is None else found[1]


def wrapper(record: Path) -> list[str | Path]:
    """Return a command under which a server's calls are recorded."""
    return ["strace", "-f", "--seccomp-bpf", "-y", "-s", "64", "-o", record, "-e", f"trace={','.join(TRACED)}", "--"]


def parse(text: str) -> list[Call]:
    """Return the calls that succeeded, in the order in which they ended."""
    calls: list[Call] = []
    begun: dict[str, tuple[int, str]] = {}
    for position, line in enumerate(text.splitlines()):
        parsed = _LINE.fullmatch(line)
        if parsed is None:
            continue
        thread, rest = parsed["thread"], parsed["rest"]
        began = position
        if unfinished := _UNFINISHED.fullmatch(rest):
            begun[thread] = position, unfinished["begin"]
            continue
        if resumed := _RESUMED.fullmatch(rest):
            began, beginning = begun.pop(thread)
            rest = beginning + resumed["end"]
        call = _CALL.fullmatch(rest)
        if call is not None and call["result"] not in {None, "?"} and int(call["result"]) >= 0:
            calls.append(
                Call(
                    began=began,
                    ended=position,
                    name=call["name"],
                    arguments=call["arguments"],
                    result=int(call["result"]),
                )
            )
    return calls


async def stop_and_read(server: ServerProcess, record: Path) -> list[Call]:
    """Stop a server that runs under strace, and return what it did."""
    server.signal(signal.SIGTERM)
    await asyncio.wait_for(server.ended(), 60)
    return parse(record.read_text(errors="replace"))
