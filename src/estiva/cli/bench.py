# SPDX-License-Identifier: Apache-2.0
"""`estiva bench`: load a registry of any make, and show how fast it is."""

import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from estiva.cli.failures import told
from estiva.cli.options import AsJson, taking
from estiva.config.quantities import parse_duration, parse_size
from estiva.errors import ClientError

if TYPE_CHECKING:
    from estiva.client.access import Credentials
    from estiva.client.load import Phase
    from estiva.client.trial import Plan

FAILED = 1
INTERRUPTED = 130

_MOST_PROCESSES = 4


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
            help="Processes of the client (default: one for each core, at most 4).",
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

    The exit code is 1 when requests failed, 130 after Ctrl-C, which shows what was measured until then.
    """
    # Told to end, remove what was pushed, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with told():
        plan = _plan(options)

        from estiva.cli.shown import Display, show
        from estiva.client.trial import run_trial

        with Display(plan) as display:
            report = run_trial(plan, display)
    if options.as_json:
        typer.echo(json.dumps(report.document(), indent=2))
    else:
        show(report)
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)
    if report.failed:
        raise typer.Exit(FAILED)


def _plan(options: BenchOptions) -> "Plan":
    from estiva.client.address import Address
    from estiva.client.trial import Plan
    from estiva.oci.names import RepositoryName

    try:
        name, reference = _image(options.image) if options.image else (options.repository, "")
        return Plan(
            address=Address.parse(options.url, verify=not options.insecure),
            repository=str(RepositoryName.parse(name)),
            reference=reference,
            credentials=_credentials(options),
            phases=_phases(options.only),
            seconds=parse_duration(options.duration),
            connections=options.connections,
            processes=options.processes or min(_MOST_PROCESSES, len(os.sched_getaffinity(0))),
            size=max(1, parse_size(options.size)),
            most=parse_size(options.most),
        )
    except ClientError as error:
        raise typer.BadParameter(error.message) from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _phases(names: list[str] | None) -> "list[Phase]":
    from estiva.client.load import Phase

    known = [phase.value for phase in Phase]
    if unknown := next((name for name in names or [] if name not in known), ""):
        raise ValueError(f"there is no phase {unknown!r}; phases are {', '.join(known)}")
    return [phase for phase in Phase if phase.value in (names or known)]


def _image(text: str) -> tuple[str, str]:
    from estiva.oci.references import parse_reference

    name, at, reference = text.partition("@")
    if not at:
        name, _, reference = text.rpartition(":")
    return name, str(parse_reference(reference))


def _credentials(options: BenchOptions) -> "Credentials | None":
    from estiva.client.access import Credentials

    if bool(options.user) is not options.password_stdin:
        raise typer.BadParameter("--user and --password-stdin go together")
    if not options.user:
        return None
    return Credentials(user=options.user, password=sys.stdin.read().rstrip("\r\n"))
