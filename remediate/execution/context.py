"""What a run works with, whatever the case."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from audit.policy import Policy, load_profile
from audit.probe import Limits, Target
from audit.probe.fetch import Fetcher
from audit.x509.path.trust_store import Anchors
from remediate.challenges import Solver
from remediate.challenges.dns_lookup import LookUps
from remediate.cpanel.panel import Panel
from remediate.hosts.session import CommandRunner
from remediate.hosts.websites import Docroots, Logs, no_logs
from remediate.hosts.workdir import ROOT
from remediate.installers import INSTALLERS, Installer
from remediate.issuers import Issuer
from remediate.model.case import Case, Step, StepState
from remediate.model.options import OnStep, Timeouts
from remediate.state.journal import Journal


def _nobody(_case: Case, _step: Step, _state: StepState, _note: str) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run may use: the journal, hands on the hosts by label, what was found on them, issuer and trust anchors.

    Once `stop` is set nothing more is begun, and nothing waited for.
    """

    journal: Journal
    sessions: Mapping[str, CommandRunner]
    targets: Mapping[str, Target]  # by endpoint
    issuer: Issuer
    issuer_name: str
    solver: Solver
    docroots: Docroots
    anchors: Anchors
    clock: Callable[[], datetime]
    owner: str  # who works on a host, for whoever finds it locked
    key_type: str = "ecdsa-p256"
    product: str = "90-day"
    installers: Mapping[str, Installer] = field(default_factory=lambda: INSTALLERS)
    declared: Mapping[tuple[str, str], Installer] = field(default_factory=dict)  # by host and service, before those
    panels: Mapping[str, Panel] = field(default_factory=dict)  # by host, where one has such files of its own
    root: str = ROOT
    roots: Mapping[str, str] = field(default_factory=dict)  # of the hosts that have another
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits = field(default_factory=Limits)
    stop: threading.Event = field(default_factory=threading.Event)
    on_step: OnStep = _nobody
    lookups: LookUps = field(default_factory=LookUps)
    log: Callable[[str], None] = lambda _: None  # details, of one or more lines, by several threads
    fetcher: Fetcher = field(default_factory=Fetcher)  # of what certificates point to
    policy: Policy = field(default_factory=lambda: Policy((load_profile("webpki"),)))  # who may own a key
    declared_docroots: Mapping[tuple[str, str], str] = field(default_factory=dict)  # by host and service
    http_port: int = 80  # where a CA asks for the file; another for a CA of one's own
    logs: Logs = no_logs  # where hosts note who asks for it
    excluded_hosts: Mapping[str, str] = field(default_factory=dict)  # hosts on which nothing is changed, and why
    first_address_only: frozenset[str] = (
        frozenset()
    )  # hosts whose names are judged by their first address, as a panel does

    def addresses_of(self, host: str) -> frozenset[str]:
        """Return the addresses that a host of this run is known to have."""
        servers = (one.server for one in self.targets.values() if one.endpoint.host == host)
        found = ((*server.addresses, *server.configured_addresses) for server in servers if server)
        return frozenset(address for addresses in found for address in addresses)

    def addresses_beside(self, host: str) -> frozenset[str]:
        """Return the addresses that other hosts of this run have and it has not."""
        others = {one.endpoint.host for one in self.targets.values() if one.endpoint.host not in (None, host)}
        known = frozenset(address for other in others if other for address in self.addresses_of(other))
        return known - self.addresses_of(host)
