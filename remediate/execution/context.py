"""What every case of a run uses: journal, hosts, issuer, solver, trust anchors, policy and clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.policy import Policy, load_profile
from audit.probe import Limits
from audit.probe.http.fetch import Fetcher
from audit.x509.path.trust_store import TrustAnchors
from remediate.challenges import HttpCsrHash, Solver
from remediate.challenges.dns_lookup import LookUps
from remediate.execution.host_context import HostContext
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.local_command import LocalCommand, run_local
from remediate.issuers import Issuer
from remediate.model.case import Case, Step, StepState
from remediate.model.options import EarlyTries, OnStep, Timeouts
from remediate.state.journal import Journal


@dataclass(frozen=True, slots=True)
class ConfiguredIssuer:
    """The issuer of a run: its client, its name for users, and the key type, product and lifetime of its orders.

    A certificate that is valid for longer than `lifetime` is rejected. One that is valid for less than
    `promised_lifetime`, if it is known, is installed and reported.
    """

    client: Issuer
    name: str
    key_type: str = "ecdsa-p256"
    product: str = "90-day"
    lifetime: timedelta = timedelta(days=90)
    promised_lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """How a run uses the network: DNS, the fetcher for URLs in certificates, limits, and the HTTP port of the CA."""

    lookups: LookUps = field(default_factory=LookUps)
    fetcher: Fetcher = field(default_factory=Fetcher)
    limits: Limits = field(default_factory=Limits)
    http_port: int = 80  # the CA requests the challenge file at it; a test CA may use another port


def _ignore_step(_case: Case, _step: Step, _state: StepState, _note: str) -> None:
    """Do nothing."""


def _ignore_log(_text: str) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the cases of a run share. Once `stop` is set, no step begins, and every wait ends."""

    journal: Journal
    hosts: Mapping[str, HostContext]  # by label
    issuer: ConfiguredIssuer
    anchors: TrustAnchors
    clock: Callable[[], datetime]
    lock_holder: str  # another run shows it if it finds a host locked
    solver: Solver = field(default_factory=HttpCsrHash)  # of challenges that are known before an order is placed
    solvers: Mapping[str, Solver] = field(default_factory=dict)  # of those that come with an order, by their type
    run_local: Callable[[LocalCommand, threading.Event], CommandResult] = run_local
    network: Network = field(default_factory=Network)
    passphrase_file: str = ""  # on the hosts: new keys are encrypted by it where the present key is
    policy: Policy = field(default_factory=lambda: Policy((load_profile("webpki"),)))  # its rules say who may own a key
    timeouts: Timeouts = field(default_factory=Timeouts)
    early: EarlyTries = field(default_factory=EarlyTries)
    stop: threading.Event = field(default_factory=threading.Event)
    on_step: OnStep = _ignore_step
    announce: Callable[[str], None] = _ignore_log  # a line that even a quiet run shows; several threads call it
    log: Callable[[str], None] = _ignore_log  # a detail may have several lines; several threads call it

    def execute(self, action: Command | LocalCommand) -> CommandResult:
        """Run a command on its host, or a program on this machine.

        Without a session on that host, return the result of a lost connection.
        """
        if isinstance(action, LocalCommand):
            return self.run_local(action, self.stop)
        session = self.host(action.host).session
        return session.run(action) if session else CommandResult(None, "", "no session on it in this run")

    def host(self, label: str) -> HostContext:
        """Return a host of the run; if this run has not found it, a host without a session."""
        return self.hosts.get(label) or HostContext(label)

    def addresses_beside(self, label: str) -> frozenset[str]:
        """Return the addresses of the other hosts of this run that are not addresses of this host."""
        others = (host.addresses for host in self.hosts.values() if host.label != label)
        return frozenset[str]().union(*others) - self.host(label).addresses
