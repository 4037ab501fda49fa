"""The file of a challenge `http-csr-hash`, and the commands of its solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from remediate.challenges import ChallengeDirectory, HttpCsrHash, ProbeResult, ProbeSettings
from remediate.challenges.http_csr_hash import path_of
from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir
from remediate.model.authorization import Challenge
from remediate.pki.csr import Csr, csr_hash_challenge
from tests.support.store.order_requests import csr


@dataclass(frozen=True, slots=True)
class ChallengeFile:
    """The file that proves control over a name, and the docroot that it is written to."""

    workdir: HostWorkdir
    docroot: str
    name: str = "www.shop.example"
    csr: Csr = field(default_factory=csr)
    below: str = ".well-known/pki-validation"

    @property
    def challenge(self) -> Challenge:
        return csr_hash_challenge(self.csr, self.name)

    @property
    def _where(self) -> ChallengeDirectory:
        return ChallengeDirectory(self.workdir, self.docroot, self.below)

    @property
    def path(self) -> str:
        """The path in the URL."""
        return path_of(self.challenge)

    @property
    def body(self) -> str:
        return self.challenge.content

    @property
    def location(self) -> str:
        return HttpCsrHash().location(self.challenge, self._where)

    def present(self) -> Command:
        return HttpCsrHash().present(self.challenge, self._where)

    def clean_up(self) -> Command:
        return HttpCsrHash().clean_up(self.challenge, self._where)

    def self_test(self, addresses: Sequence[str], settings: ProbeSettings) -> tuple[ProbeResult, ...]:
        return HttpCsrHash().self_test(self.challenge, addresses, settings)
