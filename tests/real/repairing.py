"""A controller of repairs as processes that can be killed: each run is forked from one that has imported everything.

`python -m tests.real.repairing OPTIONS` reads one line a run from its input: nothing, or `before N` or `after N` to be
killed by SIGKILL at that record; it answers with a line of JSON. What it decides from is an audit's results file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.anchors import Anchors
from audit.probe.inside import HostInside
from audit.targets import Login, assemble, discover
from remediate.bounds import Bounds
from remediate.dcv import VALIDATORS
from remediate.docroots import docroots_of
from remediate.evidence import read_evidence
from remediate.hands import HostHands
from remediate.issuers import Access, open_issuer
from remediate.journal import Journal
from remediate.lock import locked
from remediate.plan import plan
from remediate.runner import Pace, repair
from remediate.site import Means, Waits
from tests.runner.mortal import mortal_database


@dataclass(frozen=True, slots=True)
class Options:
    """What a controller is told."""

    hosts: list[str]
    state: str
    results: str
    anchors: list[str]  # PEM files
    base_url: str
    token: str
    confirmation_s: int = 30
    proof_s: float = 5.0


def run(options: Options, line: str) -> dict[str, Any]:
    """Do one run: look at the hosts, take up what is left and what the audit found, and say how each case ended."""
    moment, _, number = line.partition(" ")
    folder, now = Path(options.state), datetime.now(UTC)
    at: Any = (moment, int(number)) if number else None
    with locked(_made(folder), "a test", now), Journal(mortal_database(folder, at, _die)) as journal:
        means = _means(options, journal)
        evidence = read_evidence(Path(options.results).read_text().splitlines())
        planned = plan(evidence, Bounds(), now)
        endings = repair(planned.cases, means, Pace(chance=lambda: 0.0))
        return {
            "endings": [[ending.kind, ending.step, ending.cause, ending.note] for ending in endings],
            "waiting": [list(waiting.because) for waiting in planned.waiting],
            "steps": {ending.case.id: _steps(journal, ending.case.id) for ending in endings},
        }


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _steps(journal: Journal, case_id: str) -> dict[str, str]:
    case = journal.case(case_id)
    return {step.name: step.state for step in case.steps} if case else {}


def _means(options: Options, journal: Journal) -> Means:
    discovered = discover([Login(host) for host in options.hosts], clock=lambda: datetime.now(UTC))
    targets = assemble(discovered, ())
    insides = [one.inside for one in targets]
    pems = [x509.load_pem_x509_certificates(Path(file).read_bytes()) for file in options.anchors]
    return Means(
        journal=journal,
        hands={inside.host.label: HostHands(inside.host) for inside in insides if isinstance(inside, HostInside)},
        targets={str(one.endpoint): one for one in targets},
        issuer=open_issuer("store", Access(options.base_url, lambda: options.token, deadline_s=10)),
        issuer_name="store",
        validator=VALIDATORS["http-csr-hash"],
        docroots=docroots_of(one.host.server for one in discovered if one.host.server),
        anchors=Anchors({"lab": [one.public_bytes(Encoding.DER) for pem in pems for one in pem]}),
        clock=lambda: datetime.now(UTC),
        owner=f"test, process {os.getpid()}",
        waits=Waits(options.confirmation_s, options.proof_s, look_s=0.05),
    )  # fmt: skip


def in_a_child(options: Options, line: str) -> dict[str, Any]:
    """Return what a run in a process of its own says; how the process ended where it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            os.write(writing, json.dumps(run(options, line)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    answered: dict[str, Any] = json.loads(said) if said else {"status": os.waitstatus_to_exitcode(status)}
    return answered


def main(text: str) -> None:
    """Do a run for every line until the input ends."""
    options = Options(**json.loads(text))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(in_a_child(options, line.strip())) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
