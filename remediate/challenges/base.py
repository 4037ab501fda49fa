"""The interface of a challenge type: publish the token, request it as the CA will, remove it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir
from remediate.pki.csr import Csr

SELF_TEST: Final = "sslaudit (self-test)"
"""How the user agent of our own probes begins, so that a reader of an access log can distinguish them from the CA's."""

Verdict = Literal[
    "good",
    "blocked",  # no response: the port is closed, or a firewall drops the packets
    "forbidden",  # the server denies access
    "missing",  # the host's own server responds, from another folder than the token is in
    "altered",  # another content
    "redirected",  # the CA does not follow
    "wrong-host",  # another host responds
    "broken",  # not a valid response
    "unseen",  # this machine has no such network: says nothing of the server
]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What proves control over one name: by which CSR, and where on the host the files of its website are.

    `below` is the folder of the token within the docroot; empty if the docroot is that folder itself.
    """

    workdir: HostWorkdir
    name: str
    csr: Csr
    unique_value: str
    docroot: str
    below: str = ".well-known/pki-validation"


@dataclass(frozen=True, slots=True)
class HttpHop:
    """One request: the URL, the address it was sent to, and the response in a line."""

    url: str
    address: str
    answer: str

    def __str__(self) -> str:
        """Return the request and the response in one line."""
        return f"{self.url} at {self.address}: {self.answer}"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a CA would see of a challenge at one address, hop by hop, and what it means.

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
    """A challenge type. Commands are values for the executor; only the self-test uses the network."""

    def present(self, challenge: Challenge) -> Command:
        """Return the command that publishes the token."""

    def clean_up(self, challenge: Challenge) -> Command:
        """Return the command that removes the token and the folders that were made for it."""

    def location(self, challenge: Challenge) -> str:
        """Return the path of the token on the host."""

    def self_test(
        self, challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings
    ) -> tuple[ProbeResult, ...]:
        """Probe every address as the CA will."""
