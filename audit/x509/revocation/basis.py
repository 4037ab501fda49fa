"""What a revocation status is about, what it is, and what it is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509

from audit.text import format_utc
from audit.x509.certificate import Certificate

RevocationState = Literal["good", "revoked", "unknown"]


@dataclass(frozen=True, slots=True)
class StatusSubject:
    """A certificate to check, the CAs above it up to the anchor, and the other certificates that were sent."""

    certificate: Certificate
    above: tuple[Certificate, ...]
    pool: tuple[Certificate, ...] = ()

    @property
    def issuer(self) -> Certificate:
        """Whose key signed it."""
        return self.above[0]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far clocks may differ, and how long an OCSP response without nextUpdate is current.

    `digests` of signatures of CRLs and OCSP responses are admitted beside those that clients accept.
    """

    clocks: timedelta
    no_next_update_lifetime: timedelta
    digests: tuple[str, ...] = ()


EXACT: Final = Tolerance(timedelta(), timedelta())


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The status of a certificate by one source; of a revocation also since when and why."""

    word: RevocationState
    source: str
    why: str = ""
    since: datetime | None = None
    reason: x509.ReasonFlags | None = None

    @property
    def is_for_its_key(self) -> bool:
        """Whether the key is compromised, so that a new key is needed."""
        return self.reason is x509.ReasonFlags.key_compromise

    def __str__(self) -> str:
        """Return it as part of a message."""
        if self.word != "revoked":
            return f"{self.source}: {self.why}" if self.why else self.source
        since = f" on {format_utc(self.since)}" if self.since else ""
        reason = f" ({self.reason.value})" if self.reason and self.reason is not x509.ReasonFlags.unspecified else ""
        return f"was revoked{since}{reason}, according to {self.source}"


def certainly_good(signer: StatusSubject) -> SourceStatus:
    """Return the status good for the certificate of every signer: it is not checked."""
    return SourceStatus("good", f"the certificate {signer.certificate} is not checked")


def deciding(statuses: tuple[SourceStatus, ...]) -> SourceStatus:
    """Return the status that decides: revoked before good, and good before unknown."""
    return min(statuses, key=lambda status: ("revoked", "good", "unknown").index(status.word))


@dataclass(frozen=True, slots=True)
class StatusBasis:
    """The time and the tolerances by which CRLs and OCSP responses are judged.

    `status_of_signer` returns the status of the certificate of a signer that is not on the path.
    """

    at: datetime
    tolerance: Tolerance = EXACT
    status_of_signer: Callable[[StatusSubject], SourceStatus] = certainly_good

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of signatures that are admitted beside those that clients accept."""
        return self.tolerance.digests
