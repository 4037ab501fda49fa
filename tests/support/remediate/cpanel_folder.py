"""A panel's server that is a folder: two services with a certificate each, and the panel's own program beside them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.probe import Target
from remediate.execution.context import RunContext
from remediate.hosts.command import Command, CommandResult
from remediate.model.case import Case, Repair, steps_of
from remediate.state.journal import Journal
from tests.support.remediate.folder_hosts import Ca, FolderHost, LocalSession, run_context
from tests.support.remediate.renewal_agents import write_agent

PROGRAM = "usr/local/cpanel/bin/checkallsslcerts"


@dataclass(slots=True)
class PanelSession(LocalSession):
    """A session on this machine whose programs of the panel are in a directory of the test."""

    root: Path = field(default_factory=Path)

    def run(self, command: Command) -> CommandResult:
        """Run a command with the paths of that directory."""
        moved = command.script.replace("/usr/local/cpanel/", f"{self.root}/usr/local/cpanel/")
        return LocalSession.run(self, replace(command, script=moved))


@dataclass(frozen=True, slots=True)
class Panel:
    """Two services of one host, each with files and a certificate of its own."""

    first: FolderHost
    second: FolderHost
    root: Path

    @property
    def targets(self) -> dict[str, Target]:
        """How they are found: on the host of the first."""
        first, second = self.first.target(), self.second.target()
        endpoint = replace(second.endpoint, host=first.endpoint.host, hostspec=first.endpoint.hostspec)
        return {str(target.endpoint): target for target in (first, replace(second, endpoint=endpoint))}

    def case(self, repair: Repair, **changes: Any) -> Case:  # noqa: ANN401 - any field
        """Return the case of both."""
        hosts, endpoints = (self.first, self.second), tuple(self.targets)
        services = tuple(host.service for host in hosts)
        whole = self.first.case(
            repair, id="panel", services=services, endpoints=endpoints, steps=steps_of(repair, services, endpoints),
            files=tuple(file for host in hosts for file in host.case().files), is_panel=True,
            names=tuple(host.endpoint.name for host in hosts), old_leaves=tuple(map(leaf_of, hosts)),
        )  # fmt: skip
        return replace(whole, **changes)

    def run(self, journal: Journal, ca: Any = None, **changes: Any) -> RunContext:  # noqa: ANN401 - any issuer, any field
        """Return what a run may use here."""
        session = PanelSession(self.first.session.commands, self.root)
        installers = {host.service: host.installer() for host in (self.first, self.second)}
        given = {"targets": self.targets, "session": session, "installers": installers} | changes
        return run_context(journal, ca or Ca(), self.first, **given)

    def write_program(self, does: str) -> Path:
        """Write the program of the panel, which runs this shell; return the file of its calls."""
        return write_agent(self.root / PROGRAM, "--verbose", does)


def leaf_of(host: FolderHost) -> str:
    """Return the SHA-256 of the leaf that a host serves."""
    return sha256(x509.load_pem_x509_certificate(host.served.encode()).public_bytes(Encoding.DER)).hexdigest()
