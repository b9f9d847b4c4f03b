# SPDX-License-Identifier: Apache-2.0
"""A whole run against one registry: look at it, load it in each way, remove what was pushed."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from estiva.client.access import Credentials
from estiva.client.address import Address
from estiva.client.crew import Interrupted, Progress, run_together
from estiva.client.load import FAULTS, Order, Phase
from estiva.client.registry import Registry
from estiva.client.removal import Removal, remove
from estiva.client.subject import Subject, look_at, provide
from estiva.client.tally import Tally
from estiva.client.wire import PATIENCE_S
from estiva.errors import RegistryUnusable

LAYER = 1024 * 1024
"""Bytes of the layer of a small image."""

SCHEMA = 1
"""Version of the JSON that `Report.document` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for.

    `size` is that of a large blob, `most`, no less, the bytes that one phase may push at most. With a `reference` (tag
    or digest) nothing is pushed: that image of the repository is read. `patience` is how long nothing may come, and
    like `seconds` in seconds.
    """

    address: Address
    repository: str
    credentials: Credentials | None
    phases: Sequence[Phase]
    seconds: float
    connections: int
    processes: int
    size: int
    most: int
    reference: str = ""
    patience: float = PATIENCE_S

    def client(self) -> Registry:
        """Return a client of the repository."""
        return Registry(self.address, self.repository, self.credentials, patience=self.patience)


class Watch(Protocol):
    """Whoever shows how far a run is."""

    def begin(self, doing: str) -> None:
        """Hear what comes next."""

    def measuring(self, phase: Phase) -> Progress:
        """Hear which phase is measured next, and return who hears how far that is."""

    def removing(self, done: int, total: int) -> None:
        """Hear how much of what was pushed is removed again."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What came out: tallies by phase, notes on what was not measured, what was removed."""

    plan: Plan
    server: str = ""
    tallies: dict[Phase, Tally] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    removal: Removal = field(default_factory=Removal)
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        """Whether any request failed."""
        return any(tally.failed for tally in self.tallies.values())

    def document(self) -> dict[str, Any]:
        """Return everything as JSON can carry it; times in milliseconds."""
        return {
            "schema": SCHEMA,
            "registry": str(self.plan.address),
            "server": self.server,
            "connections": self.plan.connections,
            "processes": self.plan.processes,
            "phases": [_phase_document(phase, tally) for phase, tally in self.tallies.items()],
            "notes": self.notes,
            "removed": self.removal.removed,
            "left": self.removal.left,
            "left_because": self.removal.reason,
            "interrupted": self.interrupted,
        }


def _phase_document(phase: Phase, tally: Tally) -> dict[str, Any]:
    seconds = tally.finished - tally.started
    return {
        "phase": phase.value,
        "seconds": round(seconds, 3),
        "done": tally.done,
        "failed": tally.failed,
        "failure": tally.failure,
        "per_second": tally.done / seconds if seconds else 0.0,
        "mb_per_second": tally.bytes / seconds / 1e6 if seconds else 0.0,
        "p50_ms": tally.latencies.quantile(0.5) * 1000,
        "p99_ms": tally.latencies.quantile(0.99) * 1000,
        "max_ms": tally.latencies.longest * 1000,
        "client_busy": round(tally.busy, 3),
    }


def run_trial(plan: Plan, watch: Watch) -> Report:
    """Run all of it; a KeyboardInterrupt ends the phase at hand, and what was measured until then is returned.

    Raises RegistryUnusable when nothing can be measured.
    """
    report, created = Report(plan=plan), list[str]()
    run = secrets.token_hex(4)
    try:
        watch.begin("looking")
        subject = asyncio.run(_look(plan, run, created))
        report.server, report.notes = subject.server, subject.notes
        for phase in _possible(plan, subject):
            tally = report.tallies[phase] = _measure(report, _orders(plan, phase, subject, f"{run}-{phase}"), watch)
            created += tally.created
            if report.interrupted:
                break
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        # Also after an error: nothing is left behind that could be removed.
        _remove(report, created, watch)
    return report


async def _look(plan: Plan, run: str, created: list[str]) -> Subject:
    async with plan.client() as client:
        try:
            if plan.reference:
                return await look_at(client, plan.reference)
            # What is not read need not be large; without that, a push still tells what is wrong with pushes.
            size = plan.size if Phase.PULL in plan.phases else min(plan.size, LAYER)
            return await provide(client, size, f"{run}-subject")
        except FAULTS as error:
            if isinstance(error, RegistryUnusable):
                raise
            raise RegistryUnusable(f"{plan.address}: {error}") from error
        finally:
            created += client.created


def _possible(plan: Plan, subject: Subject) -> list[Phase]:
    without = {Phase.PUSH, Phase.IMAGES} if plan.reference else set()
    return [phase for phase in plan.phases if phase not in without and (phase is not Phase.PULL or subject.blob)]


def _orders(plan: Plan, phase: Phase, subject: Subject, mark: str) -> list[Order]:
    """Divide the connections, and what may be pushed, among the processes."""
    size, path, limit = {
        Phase.PUSH: (plan.size, "", max(1, plan.most // plan.size)),
        Phase.IMAGES: (LAYER, "", max(1, plan.most // LAYER)),
        Phase.MANIFESTS: (subject.manifest_size, subject.manifest, 0),
        Phase.PULL: (subject.blob_size, subject.blob, 0),
    }[phase]
    processes = min(plan.processes, plan.connections, limit or plan.processes)
    return [
        Order(
            phase=phase,
            address=plan.address,
            repository=plan.repository,
            credentials=plan.credentials,
            connections=plan.connections // processes + (number < plan.connections % processes),
            seconds=plan.seconds,
            size=size,
            path=path,
            limit=limit // processes + (number < limit % processes),
            mark=f"{mark}-{number}",
            patience=plan.patience,
        )
        for number in range(processes)
    ]


def _measure(report: Report, orders: list[Order], watch: Watch) -> Tally:
    try:
        return run_together(orders, watch.measuring(orders[0].phase))
    except Interrupted as stop:
        report.interrupted = True
        return stop.tally
    except RegistryUnusable as error:
        return Tally(failed=1, failure=error.message)


def _remove(report: Report, created: list[str], watch: Watch) -> None:
    if created:
        watch.begin("removing")
        try:
            asyncio.run(remove(report.plan.client, created, report.removal, watch.removing))
        except KeyboardInterrupt:
            report.removal.reason = "interrupted"
