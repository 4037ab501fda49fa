"""The interface of a solver: present a challenge, request it as the CA will, remove it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from audit.config import ConfigSection
from audit.probe.dns.texts import ServerTexts
from remediate.hosts.command import Command
from remediate.hosts.local_command import LocalCommand
from remediate.hosts.workdir import HostWorkdir
from remediate.model.authorization import Challenge

SELF_TEST: Final = "sslaudit (self-test)"
"""How the user agent of our own probes begins, which distinguishes them from those of a CA in access logs."""

Verdict = Literal[
    "good",
    "blocked",  # no response: the port is closed, or a firewall drops the packets
    "forbidden",  # the server denies access
    "missing",  # the host's own server responds, from another folder than the token is in
    "altered",  # another content
    "redirected",  # the CA does not follow
    "wrong-host",  # another host responds
    "broken",  # not a valid response
    "unseen",  # inconclusive: this machine has no network of that IP version, or the name server sends no response
]


@dataclass(frozen=True, slots=True)
class ChallengeDirectory:
    """Where the file of a challenge is written: a directory of a website on a host.

    `below` is the directory of the file within the docroot; empty if the docroot is that directory itself.
    """

    workdir: HostWorkdir
    docroot: str
    below: str = ".well-known/pki-validation"


def _no_texts(_name: str) -> tuple[ServerTexts, ...]:
    """Return no records: the caller looks at no name server."""
    return ()


SolverAction: TypeAlias = Command | LocalCommand
"""What a solver does, as a value: a command on a host, or a program on this machine."""


@dataclass(frozen=True, slots=True)
class HttpHop:
    """One request: the URL, the address it was sent to, and the response in a line."""

    url: str
    address: str
    response: str

    def __str__(self) -> str:
        """Return the request and the response in one line."""
        return f"{self.url} at {self.address}: {self.response}"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a CA would receive for a challenge at one address, hop by hop, and the verdict.

    `command` is the request as a person would type it.
    """

    name: str
    address: str
    verdict: Verdict
    detail: str
    hops: tuple[HttpHop, ...] = ()
    command: str = ""

    def __str__(self) -> str:
        """Return the verdict, and each hop on a line of its own."""
        first = f"{self.name} at {self.address}: {self.verdict}: {self.detail}"
        return "\n".join((first, *(f"  {hop}" for hop in self.hops)))


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How the self-test probes: at which port, for how long, and which addresses are known to be the host's own.

    `texts` returns the TXT records of a name at each server where a CA looks for them. Once `stop` is set the probe
    ends.
    """

    port: int = 80  # the CA's port (Baseline Requirements 3.2.2.4.18)
    deadline_s: float = 10.0  # for one request from first to last byte
    own_addresses: frozenset[str] = frozenset()
    stop: threading.Event = field(default_factory=threading.Event)
    texts: Callable[[str], tuple[ServerTexts, ...]] = _no_texts


class Solver(Protocol):
    """Solves challenges of a type. Actions are values for the executor; only the self-test uses the network."""

    def present(self, challenge: Challenge, where: ChallengeDirectory | None) -> SolverAction:
        """Return the action that presents a challenge; `where` is for types that need a host. It may be repeated."""

    def clean_up(self, challenge: Challenge, where: ChallengeDirectory | None) -> SolverAction:
        """Return the action that removes what was presented. It may be repeated."""

    def location(self, challenge: Challenge, where: ChallengeDirectory | None) -> str:
        """Return where the challenge is presented, for a person."""

    def self_test(
        self, challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings
    ) -> tuple[ProbeResult, ...]:
        """Look at what was presented as the CA will; return no result if this solver cannot.

        `addresses` are those of the name. A result that is neither `good` nor `unseen` stops the order before the CA
        validates.
        """


class BadSolver(ValueError):
    """A solver that cannot be used as it is configured; its message names the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverConfig:
    """The keys that every section `[solver.NAME]` has. Each kind of solver adds its own in a subclass."""

    kind: str  # the kind of solver
    types: tuple[str, ...]  # types of the challenges that it solves, such as dns-01

    def open(self, section: ConfigSection) -> Solver:
        """Return the solver; raises BadSolver, and BadConfiguration if a secret cannot be read."""
        raise NotImplementedError
