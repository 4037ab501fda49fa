"""Finds whether clients receive as many SCTs with a certificate as browsers require (RFC 6962 3.3).

A client receives those in the certificate, in the TLS handshake and in the stapled OCSP response, at each address.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.addresses import leaf_of
from audit.analysis.chains import MALFORMED
from audit.observation import Handshake, Observation
from audit.text import format_utc, join_limited
from audit.x509.certificate import Certificate
from audit.x509.path.served_chain import Chain
from audit.x509.revocation.ocsp import OcspResponse, read_ocsp
from audit.x509.transparency.log_list import LogList
from audit.x509.transparency.requirements import (
    FIRST_ISSUED,
    Shortage,
    embedded_required,
    shortage_by_count,
    shortage_of_verified,
    verify_sct,
)
from audit.x509.transparency.sct import SctList, SctOrigin, read_scts
from audit.x509.transparency.signed_entry import is_of_log

SOURCE: Final = "Apple 103214 embedded SCTs"
UPDATE: Final = "run sslaudit update-ct-logs with a newer list"
_NOT_REQUESTED: Final = "and the TLS handshake did not request SCTs"
_NOT_READ: Final = "and the stapled OCSP response, which may have more, could not be read on the host"


@dataclass(frozen=True, slots=True)
class Logging:
    """What is wrong with the SCTs, one message per group of addresses; and what was verified."""

    faults: tuple[str, ...]
    note: str


def logging_of(chain: Chain, observation: Observation, log_list: LogList | None, now: datetime) -> Logging | Obstacle:
    """Return why the SCTs of the leaf are too few, or why that is not known."""
    try:
        required = embedded_required(chain.leaf.raw)
        embedded = read_scts(chain.leaf.raw.sct_list, SctOrigin.CERTIFICATE)
    except ValueError as error:
        return Uncertain(f"the certificate cannot be read: {SOURCE}: {error}", because=MALFORMED)
    if required is None:
        return _exempt(chain.leaf)
    handshakes = _handshakes(chain, observation)
    if not handshakes:
        return Uncertain("no handshake with this certificate was observed")
    judge = partial(_shortage, chain=chain, required=required, log_list=log_list, now=now)
    shortages = {
        handshake: shortage for handshake in handshakes if (shortage := judge(_received(handshake, embedded, chain)))
    }
    return _logging(shortages, log_list) if shortages else Logging((), _note(log_list))


def _exempt(leaf: Certificate) -> Logging | Exempt:
    if leaf.raw.not_before >= FIRST_ISSUED:
        return Logging((), "")  # a precertificate, or a CA's
    return Exempt(f"it was issued {format_utc(leaf.not_before)}, and the rule applies from {FIRST_ISSUED:%Y-%m-%d} on")


def _logging(shortages: dict[Handshake, Shortage], log_list: LogList | None) -> Logging | Uncertain:
    certain = {seen: shortage.reason for seen, shortage in shortages.items() if not _doubt(seen, shortage)}
    if certain:
        reasons = dict.fromkeys(certain.values())
        return Logging(tuple(_at(reason, certain, len(reasons)) for reason in reasons), _note(log_list))
    seen, shortage = next(iter(shortages.items()))
    return Uncertain(f"{shortage.reason} ({SOURCE}), {_doubt(seen, shortage)}")


def _doubt(handshake: Handshake, shortage: Shortage) -> str:
    """Return why a client may receive more SCTs, or SCTs that count; nothing if there is no doubt."""
    if handshake.sct_list is None:
        return _NOT_REQUESTED
    if handshake.ocsp_der == b"":
        return _NOT_READ
    return f"and the log list is older than an SCT: {UPDATE}" if shortage.may_be_newer else ""


def _at(reason: str, reasons: dict[Handshake, str], distinct: int) -> str:
    if distinct == 1:
        return f"{reason} ({SOURCE})"
    places = dict.fromkeys(handshake.address for handshake, other in reasons.items() if other == reason)
    return f"at {join_limited(list(places))}: {reason} ({SOURCE})"


def _note(log_list: LogList | None) -> str:
    if log_list is not None:
        return f"verified against the {log_list}"
    return "without a log list no signature was verified, only counts, times and log ids ([ct] log_list names a list)"


def _handshakes(chain: Chain, observation: Observation) -> tuple[Handshake, ...]:
    """Return the handshakes in which the leaf was served; one for all that bring the same SCTs."""
    served = {
        (seen.sct_list, seen.ocsp_der, seen.address): seen
        for seen in observation.every_handshake
        if leaf_of(seen) == chain.leaf
    }
    return tuple(served.values())


def _received(handshake: Handshake, embedded: SctList, chain: Chain) -> SctList:
    """Return all SCTs that a client receives in a handshake."""
    lists = (embedded, _of_tls(handshake), _of_staple(handshake, chain))
    return SctList(
        tuple(dict.fromkeys(sct for sct_list in lists for sct in sct_list.scts)),
        tuple(message for sct_list in lists for message in sct_list.ignored),
    )


def _of_tls(handshake: Handshake) -> SctList:
    return _readable(handshake.sct_list or b"", SctOrigin.TLS)


def _of_staple(handshake: Handshake, chain: Chain) -> SctList:
    """Return the SCTs in a stapled response about the leaf (RFC 6962 3.3)."""
    response = read_ocsp(handshake.ocsp_der) if handshake.ocsp_der else None
    if not isinstance(response, OcspResponse) or chain.path is None or len(chain.path) < 2:
        return SctList()
    single = next((single for single in response.singles if single.is_about(chain.leaf, chain.path[1])), None)
    return _readable(single.sct_list, SctOrigin.OCSP) if single else SctList()


def _readable(octets: bytes, origin: SctOrigin) -> SctList:
    try:
        return read_scts(octets, origin)
    except ValueError:
        return SctList(ignored=(f"the list of SCTs in {origin} cannot be read",))


def _shortage(
    received: SctList, *, chain: Chain, required: int, log_list: LogList | None, now: datetime
) -> Shortage | None:
    if log_list is None or chain.path is None or len(chain.path) < 2:
        shortage = shortage_by_count(received.scts, required, now)
    else:
        certificate, issuer_spki, logs = chain.leaf.der, chain.path[1].raw.spki, log_list.logs
        verified = [
            verify_sct(sct, log_list, now, lambda sct: is_of_log(sct, logs[sct.log_id], certificate, issuer_spki))
            for sct in received.scts
        ]
        shortage = shortage_of_verified(verified, required)
    if shortage is None or not received.ignored:
        return shortage
    return replace(shortage, reason="; ".join((shortage.reason, *received.ignored)))
