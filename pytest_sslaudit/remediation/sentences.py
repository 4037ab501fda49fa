"""What will be repaired and what not, and why: a sentence for each service, as the panel's own script words it.

It knows plans and words; it prints nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from audit.checks import one_line
from audit.words import listing, moment, sentence
from remediate.case import VALIDATED, Case, Reason, Repair
from remediate.evidence import Evidence
from remediate.explanation import Explained
from remediate.plan import Plan, Waiting

STORE: Final = "the cPanel Store"
PANEL: Final = ("cpanel", "dovecot", "exim", "ftp")
"""The services that the panel has one certificate each for, in its order."""
_FTP: Final = ("pure-ftpd", "proftpd")
_OF_STORE: Final = ("store", "cpanel")  # kinds of issuers

_CONDITIONS: Final[Mapping[str, str]] = {
    "cert.self-signed": "self-signed certificate",
    "key.compromised": "certificate with a compromised key",
    "cert.revoked": "revoked certificate",
    "cert.malformed": "unreadable certificate",
    "cert.weak-signature": "certificate with a weak signature algorithm",
    "key.weak": "certificate with a weak key",
    "cert.san-missing": "certificate without a Subject Alternative Name extension",
    "cert.eku-missing-serverauth": "certificate without Extended Key Usage for server authentication",
    "cert.expired": "expired certificate",
    "cert.not-yet-valid": "not yet valid certificate",
    "cert.name-mismatch": "certificate for other names",
    "key.mismatch": "certificate that does not belong to its key",
    "cert.untrusted": "untrusted certificate",
    "cert.expiring": "certificate that expires soon",
    "cert.renewal-due": "certificate that is due for renewal",
}
"""What a certificate is called for its finding; the first that fits is said. The seed's word is the first."""
_MISSING: Final = "svc.certificate-missing"
_WITHOUT_ISSUER: Final[Mapping[Repair, str]] = {
    Repair.RECHAIN: "The system will attempt to complete the certificate chain for the {service}",
    Repair.RELOAD: "The system will attempt to have the installed certificate served for the {service}",
    Repair.HOST: "The system will attempt to correct who may read the key files for the {service}",
}


@dataclass(frozen=True, slots=True)
class Shop:
    """Who issues, by the name and the kind of its section, and whether the host is a panel's server."""

    name: str | None
    kind: str | None
    is_panel: bool

    @property
    def words(self) -> str:
        """Who it is for a person: on a panel's server the Store is the panel's."""
        if self.is_panel and self.kind in _OF_STORE:
            return STORE
        return f"the issuer {self.name}" if self.name else "an issuer"

    def word(self, service: str) -> str:
        """Return the panel's word for a service."""
        return "ftp" if self.is_panel and service in _FTP else service

    def named(self, service: str, case: Case) -> str:
        """Return a service with the names that tell its certificates apart, where it has several."""
        word = self.word(service)
        is_single = self.is_panel and word in PANEL
        return f"{word} service" if is_single else f"{word} service ({listing(case.names)})"


def lines_of(plan: Plan, evidence: Evidence, shop: Shop) -> Iterator[str]:
    """Yield what is attempted, then why and how; what waits and why; what is left as it is and why."""
    attempts = sorted(_attempts(plan, evidence, shop))
    yield from (text for _, _, text in attempts)
    for case in plan.cases:
        yield from _how(case)
    for waiting in plan.waiting:
        yield from _waits(waiting, shop)
    yield from _left(plan.explained, evidence, shop)
    if not attempts:
        yield "There is nothing that the system will attempt to replace."


def _attempts(plan: Plan, evidence: Evidence, shop: Shop) -> Iterator[tuple[int, str, str]]:
    """Yield for each service of each case its place in the panel's order, its name, and the sentence."""
    for case in plan.cases:
        for service in case.services:
            word = shop.word(service)
            place = PANEL.index(word) if word in PANEL else len(PANEL)
            yield place, word, one_line(_attempt(case, service, _reasons(case, service, evidence), shop))


def _attempt(case: Case, service: str, reasons: tuple[Reason, ...], shop: Shop) -> str:
    where, found = shop.named(service, case), {reason.check for reason in reasons}
    if case.repair in _WITHOUT_ISSUER:
        return f"{_WITHOUT_ISSUER[case.repair].format(service=where)}."
    issuer = shop.words if case.repair in VALIDATED or case.owner == "cpanel" else str(case.owner)
    if _MISSING in found:
        return f"The system will attempt to install a signed certificate from {issuer} for the {where}."
    fits = (words for check, words in _CONDITIONS.items() if check in found)
    what = next(fits, f"certificate ({', '.join(sorted(found))})" if found else "certificate")
    return f"The system will attempt to replace the {what} for the {where} with a signed certificate from {issuer}."


def _reasons(case: Case, service: str, evidence: Evidence) -> tuple[Reason, ...]:
    """Return what speaks for a repair on a service itself, else on any other that has the same certificate."""
    of_service = tuple(one for one in case.reasons if _service(one.endpoint, evidence) == service)
    return of_service or case.reasons


def _service(endpoint: str, evidence: Evidence) -> str:
    seen = evidence.seen.get(endpoint)
    return seen.service if seen else ""


def _how(case: Case) -> Iterator[str]:
    yield one_line(f"Case {case.id} on {case.host}, for {listing(case.names, 100)}: {', '.join(_steps(case))}.")
    for reason in case.reasons:
        yield f"  because {one_line(f'{reason.endpoint}: {reason.check}: {reason.message}')}"


def _steps(case: Case) -> Iterator[str]:
    yield from dict.fromkeys(step.kind for step in case.steps)


def _waits(waiting: Waiting, shop: Shop) -> Iterator[str]:
    case = waiting.case
    for service in case.services:
        why = sentence(waiting.because)
        yield one_line(f"The system will not replace the certificate for the {shop.named(service, case)} now: {why}.")


def _left(explained: Iterable[Explained], evidence: Evidence, shop: Shop) -> Iterator[str]:
    """Yield what is well, a line a service, and what is not and is left as it is, a line each."""
    well = sorted((_service(one.endpoint, evidence), one.endpoint) for one in explained if one.kind == "well")
    for service, group in groupby(well, key=lambda pair: pair[0]):
        ends = [end for _, one in group if (seen := evidence.seen.get(one)) and (end := seen.not_after)]
        if service and ends:
            word = shop.word(service)
            yield f"Nothing is wrong with the {word} service; its certificate is valid until {moment(min(ends))}."
    for one in explained:
        if one.kind != "well":
            finding = sentence([part for part in (one.message, f"left as it is: {one.why}") if part])
            yield one_line(f"{one.endpoint}: {one.check}: {finding}")
