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
from tests.support.remediate.folder_hosts import Ca, LocalSession, Place, run_context
from tests.support.remediate.renewal_agents import write_agent

PROGRAM = "usr/local/cpanel/bin/checkallsslcerts"


@dataclass(slots=True)
class PanelSession(LocalSession):
    """Hands on this machine, on which the panel's programs are below a folder of the test."""

    root: Path = field(default_factory=Path)

    def run(self, command: Command) -> CommandResult:
        """Run a command that finds the panel there."""
        moved = command.script.replace("/usr/local/cpanel/", f"{self.root}/usr/local/cpanel/")
        return LocalSession.run(self, replace(command, script=moved))


@dataclass(frozen=True, slots=True)
class Panel:
    """Two services of one host, each with files and a certificate of its own."""

    first: Place
    second: Place
    root: Path

    @property
    def targets(self) -> dict[str, Target]:
        """How they are found: on the host of the first."""
        first, second = self.first.target(), self.second.target()
        endpoint = replace(second.endpoint, host=first.endpoint.host, hostspec=first.endpoint.hostspec)
        return {str(one.endpoint): one for one in (first, replace(second, endpoint=endpoint))}

    def case(self, repair: Repair, **changes: Any) -> Case:  # noqa: ANN401 - any field
        """Return the case of both."""
        places, endpoints = (self.first, self.second), tuple(self.targets)
        services = tuple(place.service for place in places)
        whole = self.first.case(
            repair, id="panel", services=services, endpoints=endpoints, steps=steps_of(repair, services, endpoints),
            files=tuple(file for place in places for file in place.case().files), is_panel=True,
            names=tuple(place.endpoint.name for place in places), old_leaves=tuple(map(leaf_of, places)),
        )  # fmt: skip
        return replace(whole, **changes)

    def run(self, journal: Journal, ca: Any = None, **changes: Any) -> RunContext:  # noqa: ANN401 - any issuer, any field
        """Return what a run may use here."""
        session = PanelSession(self.first.session.commands, self.root)
        installers = {place.service: place.installer() for place in (self.first, self.second)}
        given = {"targets": self.targets, "session": session, "installers": installers} | changes
        return run_context(journal, ca or Ca(), self.first, **given)

    def write_program(self, does: str) -> Path:
        """Write the panel's own program, which does this; return the file of what it was asked."""
        return write_agent(self.root / PROGRAM, "--verbose", does)


def leaf_of(place: Place) -> str:
    """Return the SHA-256 of the leaf that a place serves."""
    return sha256(x509.load_pem_x509_certificate(place.served.encode()).public_bytes(Encoding.DER)).hexdigest()
