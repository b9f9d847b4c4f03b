# SPDX-License-Identifier: Apache-2.0
"""`estiva bench`: load a registry of any make, and show how fast it is."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from estiva.cli.failures import told
from estiva.cli.options import AsJson, taking
from estiva.config.quantities import parse_duration, parse_size, render_size
from estiva.errors import ClientError

if TYPE_CHECKING:
    from estiva.client.access import Credentials
    from estiva.client.load import Phase
    from estiva.client.trial import Plan, Report

FAILED = 1
INTERRUPTED = 130

_MOST_PROCESSES = 4
_SHORTEST_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What can be asked of `estiva bench`."""

    url: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="The registry: https://registry.example.com, http://localhost:5000.", show_default=False
        ),
    ]
    duration: Annotated[
        str, typer.Option(metavar="TIME", help="How long each phase takes (default: 5s).", show_default=False)
    ] = "5s"
    connections: Annotated[
        int, typer.Option(metavar="N", min=1, max=4096, help="Connections (default: 16).", show_default=False)
    ] = 16
    processes: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=64,
            help="Processes of the client, no more than connections (default: 0, one for each core, at most 4).",
            show_default=False,
        ),
    ] = 0
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PHASE", help="Only this phase: push, images, manifests or pull. May be repeated."),
    ] = None
    repository: Annotated[
        str, typer.Option(metavar="NAME", help="Where to push (default: estiva-bench).", show_default=False)
    ] = "estiva-bench"
    image: Annotated[
        str | None, typer.Option(metavar="NAME:TAG", help="Push nothing, and read this image: manifests and pull.")
    ] = None
    size: Annotated[
        str, typer.Option(metavar="SIZE", help="Size of a large blob (default: 16MiB).", show_default=False)
    ] = "16MiB"
    most: Annotated[
        str, typer.Option(metavar="SIZE", help="The most that a phase may push (default: 4GiB).", show_default=False)
    ] = "4GiB"
    timeout: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="How long an answer may take to begin, and a body may stand still (default: 30s).",
            show_default=False,
        ),
    ] = "30s"
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not check the registry's certificate.")] = False
    user: Annotated[str | None, typer.Option(metavar="NAME", help="User, if the registry asks for one.")] = None
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the user's password from the standard input.")
    ] = False
    as_json: AsJson = False


@taking(BenchOptions)
def bench(options: BenchOptions) -> None:
    """Load a registry of any make, and show how fast it is.

    Pushes large blobs (push) and small images (images), reads a manifest by its tag (manifests) and a large blob
    (pull), each for a while over all connections, and deletes what it pushed as far as the registry allows that.
    It fills disks and cores: do not run it against a registry that others need at that time.

    The registry may keep the room of what was deleted until it collects garbage.

    The exit code is 1 when requests failed, 130 after Ctrl-C, which shows what was measured until then.
    """
    _hear_signals()
    with told():
        plan = _plan(options)

        from estiva.client.display import Display
        from estiva.client.trial import run_trial

        with Display(plan) as display:
            report = run_trial(plan, display)
    # A closed terminal interrupts, and is not there to be written to.
    with contextlib.suppress(*((OSError,) if report.interrupted else ())):
        _print(report, as_json=options.as_json)
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)
    if report.failed:
        raise typer.Exit(FAILED)


def _hear_signals() -> None:
    """Let what ends other programs remove what was pushed, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        signal.signal(number, signal.SIG_IGN)  # both the system and a shell tell of a terminal's end
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as background jobs of scripts have it
        signal.default_int_handler(number, frame)
    signal.raise_signal(signal.SIGINT)  # which asyncio knows how to take


def _print(report: "Report", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.document(), indent=2))
        return
    from rich.console import Console

    from estiva.client.table import show

    show(report, Console())


def _plan(options: BenchOptions) -> "Plan":
    from estiva.client.address import Address
    from estiva.client.trial import Plan

    name, reference = _image(options.image) if options.image is not None else (_repository(options.repository), "")
    phases = _phases(options)
    size, most = _sizes(options, phases)
    automatic = min(_MOST_PROCESSES, len(os.sched_getaffinity(0)))
    return Plan(
        address=Address.parse(options.url, verify=not options.insecure),
        repository=name,
        reference=reference,
        credentials=_credentials(options),
        phases=phases,
        seconds=_seconds("--duration", options.duration),
        connections=options.connections,
        processes=min(options.processes or automatic, options.connections),
        size=size,
        most=most,
        patience=_seconds("--timeout", options.timeout),
    )


@contextlib.contextmanager
def _of(option: str) -> Iterator[None]:
    """Say which option what is wrong in the block belongs to."""
    try:
        yield
    except ClientError as error:
        raise typer.BadParameter(error.message, param_hint=f"'{option}'") from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None


def _seconds(option: str, text: str) -> float:
    with _of(option):
        if (seconds := parse_duration(text)) < _SHORTEST_S:
            raise ValueError(f"{text!r} is too short; write {_SHORTEST_S * 1000:.0f}ms or more")
        return seconds


def _sizes(options: BenchOptions, phases: "list[Phase]") -> tuple[int, int]:
    """Return the size of a large blob, and the most that a phase may push."""
    from estiva.client.content import SMALLEST
    from estiva.client.load import Phase
    from estiva.client.trial import LAYER

    with _of("--most"):
        most = parse_size(options.most)
        if options.image is None and Phase.IMAGES in phases and most < LAYER:
            raise ValueError(f"{options.most!r} is less than one small image has, {render_size(LAYER)}")
    with _of("--size"):
        if (size := parse_size(options.size)) < SMALLEST:
            raise ValueError(f"{options.size!r} is too small; write {render_size(SMALLEST)} or more")
        if options.image is None and size > most and {Phase.PUSH, Phase.PULL} & set(phases):
            raise ValueError(f"{options.size} is more than a phase may push, {render_size(most)}: raise --most as well")
    return size, most


def _phases(options: BenchOptions) -> "list[Phase]":
    from estiva.client.load import Phase

    known = [phase.value for phase in Phase]
    names = options.only or known
    with _of("--only"):
        if unknown := next((name for name in names if name not in known), ""):
            raise ValueError(f"there is no phase {unknown!r}; phases are {', '.join(known)}")
        pushing = {Phase.PUSH, Phase.IMAGES} & set(options.only or ())
        if options.image is not None and pushing:
            raise ValueError(f"{min(pushing)} pushes, and --image pushes nothing: its phases are manifests and pull")
    return [phase for phase in Phase if phase.value in names]


def _repository(text: str) -> str:
    from estiva.oci.names import RepositoryName

    with _of("--repository"):
        return str(RepositoryName.parse(text))


def _image(text: str) -> tuple[str, str]:
    from estiva.oci.names import RepositoryName
    from estiva.oci.references import parse_reference

    name, at, reference = text.partition("@")
    if not at:
        name, _, reference = text.rpartition(":")
    with _of("--image"):
        if not name or not reference:
            raise ValueError(f"{text!r} has no tag; write NAME:TAG, or NAME@DIGEST")
        return str(RepositoryName.parse(name)), str(parse_reference(reference))


def _credentials(options: BenchOptions) -> "Credentials | None":
    from estiva.client.access import Credentials

    if bool(options.user) is not options.password_stdin:
        raise typer.BadParameter("it goes together with --password-stdin", param_hint="'--user'")
    if not options.user:
        return None
    return Credentials(user=options.user, password=sys.stdin.read().rstrip("\r\n"))
