"""A controller of repairs as processes that can be killed: each run is forked from one that has imported everything.

`python -m tests.support.hosts.repair_controller OPTIONS` reads one line a run from its input: what is different in
this run, as JSON, or nothing. It answers with a line of JSON. What it decides from is an audit's results file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.host.discovery import Discovery, Login, assemble, discover
from audit.host.handshake import HostInside
from audit.observation.website import Docroot
from audit.probe import Target
from audit.x509.path.trust_store import TrustAnchors
from remediate.execution.context import ConfiguredIssuer, RunContext
from remediate.execution.host_context import HostContext, docroot_on
from remediate.execution.scheduler import repair
from remediate.hosts.session import HostSession
from remediate.hosts.workdir import ROOT
from remediate.issuers import IssuerEndpoint
from remediate.issuers.store import Store
from remediate.model.audit_results import read_audit_results
from remediate.model.case import Case
from remediate.model.options import Concurrency, RunLimits, Timeouts
from remediate.planning.planner import plan
from remediate.state.journal import Event, Journal
from remediate.state.lock import LockHeld, locked
from tests.support.remediate.killed_database import MortalDatabase, Point, mortal_database

_HELD_S: Final = 100.0  # the limit of a held step, so that a failed test ends


@dataclass(frozen=True, slots=True)
class Options:
    """The instructions of a controller."""

    hosts: list[str]
    state: str
    results: str
    anchors: list[str]  # PEM files
    base_url: str
    token: str
    confirmation_s: int = 30
    proof_s: float = 5.0
    issuance_s: float = 20.0
    docroot: str = ""  # where it is none, that of the configuration
    root: str = ROOT
    key_type: str = "ecdsa-p256"
    ahead_s: float = 0.0  # of the controller's clock
    killed: str = ""  # at a record: `before N` or `after N`
    killed_at: str = ""  # once a step of this kind is done
    held_at: str = ""  # likewise, until the file `go` is gone, which says meanwhile that it is held
    go: str = "/run/held"


class Halting(Journal):
    """A journal that halts its run once a step of some kind is done."""

    def __init__(self, database: MortalDatabase, kind: str, halt: Callable[[], object]) -> None:
        super().__init__(database)
        self._kind, self._halt = kind, halt

    def record(self, case_id: str, event: Event) -> None:
        """Record, and halt."""
        super().record(case_id, event)
        if event.state == "done" and event.step.split(maxsplit=1)[0] == self._kind:
            self._halt()


def run(options: Options) -> dict[str, Any]:
    """Do one run: look at the hosts, take up what is left and what the audit found, and say how each case ended."""
    folder, now = Path(options.state), datetime.now(UTC)
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        with locked(folder, "a test", now), _journal(folder, options) as journal:
            planned = plan(read_audit_results(Path(options.results).read_text().splitlines()), RunLimits(), now)
            endings = repair(planned.cases, _run_context(options, journal), Concurrency(chance=lambda: 0.0))
            return {
                "endings": [[ending.ended_as, ending.step, ending.cause or "", ending.note] for ending in endings],
                "waiting": [[blocker.text for blocker in waiting.blocked_by] for waiting in planned.waiting],
                "cases": [_told(journal, ending.case) for ending in endings],
            }
    except LockHeld as held:
        return {"held": str(held)}


def _told(journal: Journal, case: Case) -> dict[str, Any]:
    """Return the host and names of a case, what its steps became, and from when to when."""
    events = journal.events(case.id)
    return {
        "host": case.host,
        "names": list(case.names),
        "steps": {event.step: event.state for event in events},
        "times": [event.at.isoformat() for event in (*events[:1], *events[-1:])],
    }


def _journal(folder: Path, options: Options) -> Halting:
    moment, _, number = options.killed.partition(" ")
    at: Point | None = ("before" if moment == "before" else "after", int(number)) if number else None
    database = mortal_database(folder, at, _die)
    if options.held_at:
        return Halting(database, options.held_at, lambda: _hold(Path(options.go)))
    return Halting(database, options.killed_at, _die)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hold(file: Path) -> None:
    file.touch()
    end = time.monotonic() + _HELD_S
    while file.exists() and time.monotonic() < end:
        time.sleep(0.02)


def _run_context(options: Options, journal: Journal) -> RunContext:
    discovered = discover([Login(host) for host in options.hosts], clock=lambda: datetime.now(UTC))
    targets = assemble(discovered, ())
    pems = [x509.load_pem_x509_certificates(Path(file).read_bytes()) for file in options.anchors]
    store = Store(IssuerEndpoint(options.base_url, lambda: options.token, deadline_s=10))
    return RunContext(
        journal=journal,
        hosts=_hosts(options, discovered, targets),
        issuer=ConfiguredIssuer(store, "store", options.key_type),
        anchors=TrustAnchors({"lab": [one.public_bytes(Encoding.DER) for pem in pems for one in pem]}),
        clock=lambda: datetime.now(UTC) + timedelta(seconds=options.ahead_s),
        lock_holder=f"test, process {os.getpid()}",
        timeouts=Timeouts(options.confirmation_s, options.proof_s, issuance_s=options.issuance_s, look_s=0.05),
    )  # fmt: skip


def _hosts(options: Options, discovered: Sequence[Discovery], targets: Sequence[Target]) -> Mapping[str, HostContext]:
    """Return the hosts that were found, each with its session, its targets and its docroots."""
    views = {one.host.server.label: one.host.server for one in discovered if one.host.server}
    insides = {one.inside.host.label: one.inside for one in targets if isinstance(one.inside, HostInside)}
    return {
        label: HostContext(
            label,
            HostSession(insides[label].host) if label in insides else None,
            {str(one.endpoint): one for one in targets if one.endpoint.host == label},
            docroot_of=(lambda _: Docroot(options.docroot)) if options.docroot else partial(docroot_on, view, 80),
            workdir_root=options.root,
        )
        for label, view in views.items()
    }


def in_a_child(options: Options) -> dict[str, Any]:
    """Return what a run in a process of its own says; how the process ended where it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            os.write(writing, json.dumps(run(options)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        result = answer.read()
    _, status = os.waitpid(child, 0)
    answered: dict[str, Any] = json.loads(result) if result else {"status": os.waitstatus_to_exitcode(status)}
    return answered


def main(text: str) -> None:
    """Do a run for every line until the input ends."""
    options = Options(**json.loads(text))
    for line in sys.stdin:
        changes = json.loads(line) if line.strip() else {}
        sys.stdout.write(json.dumps(in_a_child(replace(options, **changes))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
