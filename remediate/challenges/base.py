"""What every way of domain control validation offers: put the proof there, look as the CA will, take it away.

It knows no way in particular, and no issuer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir
from remediate.pki.csr import Csr

SELF_TEST: Final = "sslaudit (self-test)"
"""What our own looks call themselves first, so that nobody who reads an access log takes them for the CA's."""

Verdict = Literal[
    "good",
    "blocked",  # no answer at all: nothing listens, or something between drops it
    "forbidden",  # the server answers and denies
    "missing",  # the host's own server answers, from another folder than the one we wrote to
    "altered",  # it answers with something else
    "redirected",  # where the CA does not follow
    "wrong-host",  # what answers is not the host we wrote to
    "broken",  # an answer that is none
    "unseen",  # this machine has no such network: it says nothing of the server
]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What has to be proven for one name: with which request, and where on the host its website has its files.

    `below` is where in the docroot those are that a CA asks for; empty where the docroot is that folder itself.
    """

    workdir: HostWorkdir
    name: str
    csr: Csr
    unique_value: str
    docroot: str
    below: str = ".well-known/pki-validation"


@dataclass(frozen=True, slots=True)
class HttpHop:
    """One request on the way: what was asked for at which address, and what came back in a line."""

    url: str
    address: str
    answer: str

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return f"{self.url} at {self.address}: {self.answer}"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a CA would see of a challenge at one address, hop by hop, and what to make of it.

    `asked` is the request as a person would type it.
    """

    name: str
    address: str
    verdict: Verdict
    detail: str
    hops: tuple[HttpHop, ...] = ()
    asked: str = ""

    def __str__(self) -> str:
        """Return the verdict, and each hop on a line of its own."""
        first = f"{self.name} at {self.address}: {self.verdict}: {self.detail}"
        return "\n".join((first, *(f"  {hop}" for hop in self.hops)))


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How the self-test probes: at which port, for how long, and which addresses are known to be the host's own.

    Once `stop` is set the probe ends.
    """

    port: int = 80  # the CA's port (Baseline Requirements 3.2.2.4.18)
    deadline_s: float = 10.0  # for one request from first to last byte
    own_addresses: frozenset[str] = frozenset()
    stop: threading.Event = field(default_factory=threading.Event)


class Solver(Protocol):
    """A way to prove control over a name. Commands are yielded, and only the self-test touches the network."""

    def put(self, challenge: Challenge) -> Command:
        """Return the command that puts the proof there."""

    def clear(self, challenge: Challenge) -> Command:
        """Return the command that takes it away, and what was made for it."""

    def place(self, challenge: Challenge) -> str:
        """Return where on the host the proof lies."""

    def self_test(
        self, challenge: Challenge, addresses: Sequence[str], vantage: ProbeSettings
    ) -> tuple[ProbeResult, ...]:
        """Look at every address as the CA will."""
