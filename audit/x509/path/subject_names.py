"""The names of a leaf: whether they are ones that a public CA certifies, and whether one is the reference identifier.

Common names are never matched (RFC 9525 2); what a public CA puts there is checked all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import idna
from cryptography import x509
from cryptography.x509.oid import NameOID

from audit.endpoint import to_address
from audit.x509.certificate import Certificate
from audit.x509.identifiers import is_dns_name, is_presentable, matches
from audit.x509.public_suffix import is_public_suffix, registered_domain
from audit.x509.violation import PROFILE, Violation

SAN_CLAUSE: Final = "BR 7.1.2.7.12"
_MAX_NAME: Final = 253


def reference_violations(leaf: Certificate, reference: str) -> Iterator[Violation]:
    """Yield why a leaf is not valid for a reference identifier: a DNS name, an IP address or a mailbox (RFC 9525 6)."""
    if "@" in reference:
        if _mailbox(reference) not in map(_mailbox, _mailboxes(leaf)):
            yield Violation("RFC 5280 4.2.1.6", f"no rfc822Name is {reference}")
        return
    address = to_address(reference)
    if address is not None:
        if address not in leaf.ip_addresses:
            yield Violation("RFC 9525 6.4", f"no iPAddress is {reference}")
    elif not is_dns_name(_without_underscores(reference.removesuffix("."))):
        yield Violation(
            "RFC 9525 6.1.2", f"the reference identifier {reference!r} is neither a DNS name nor an address"
        )
    elif not any(is_presentable(_without_underscores(name)) and matches(name, reference) for name in leaf.dns_names):
        yield Violation("RFC 9525 6.3", f"no dNSName matches {reference}")


def _without_underscores(name: str) -> str:
    """Return a name with `x` in place of underscores, which host names must not have and clients accept."""
    return name.replace("_", "x")


def name_violations(leaf: Certificate) -> Iterator[Violation]:
    """Yield what is wrong with the names that a server's certificate presents (BR 7.1.2.7.12, 7.1.4.3, 3.2.2.6)."""
    alternative = leaf.extension(x509.SubjectAlternativeName)
    if not alternative:
        yield Violation(SAN_CLAUSE, "it has no subject alternative name", PROFILE)
    for name in leaf.dns_names:
        if not is_presentable(name):
            yield Violation(SAN_CLAUSE, f"the dNSName {name!r} is not a DNS name in preferred syntax", PROFILE)
        elif name.startswith("*.") and is_public_suffix(name[2:]):
            yield Violation("BR 3.2.2.6", f"the wildcard {name} stands for every domain of a public suffix", PROFILE)
    yield from _common_name_violations(leaf)


def _common_name_violations(leaf: Certificate) -> Iterator[Violation]:
    """Yield the common names that are not a copy of a name in the subject alternative name (BR 7.1.4.3).

    Only those are reported that are an address, another spelling of a dNSName, or a name in another domain: a client
    that still reads common names could take the certificate for another server's.
    """
    common_names = [str(part.value) for part in leaf.subject_name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    copies = {*leaf.dns_names, *leaf.ip_addresses}
    if len(common_names) > 1:
        yield Violation("BR 7.1.4.3", "the subject has several common names", PROFILE)
    for name in common_names:
        if name in copies:
            continue
        ascii_name = _as_ascii(name)
        if _looks_like_address(name):
            yield Violation(
                "BR 7.1.4.3", f"the common name {name!r} is an address and not a copy of an iPAddress", PROFILE
            )
        elif ascii_name in {name.lower() for name in leaf.dns_names}:
            yield Violation("BR 7.1.4.3", f"the common name {name!r} is not an exact copy of its dNSName", PROFILE)
        elif _names_another_domain(ascii_name, leaf.dns_names):
            yield Violation("BR 7.1.4.3", f"the common name {name!r} is in another domain than every dNSName", PROFILE)


def _names_another_domain(name: str, dns_names: tuple[str, ...]) -> bool:
    return bool(dns_names) and "." in name and is_presentable(name) and not _shares_domain(name, dns_names)


def _mailboxes(leaf: Certificate) -> list[str]:
    alternative = leaf.extension(x509.SubjectAlternativeName)
    return [] if alternative is None else alternative.get_values_for_type(x509.RFC822Name)


def _mailbox(address: str) -> tuple[str, str]:
    """Return local part and host of an address; only the host is the same in either case (RFC 5280 7.5)."""
    local, _, host = address.rpartition("@")
    return local, host.lower()


def _as_ascii(name: str) -> str:
    """Return a name as lower-case A-labels; only in lower case if it is not a valid name."""
    try:
        return idna.encode(name[:_MAX_NAME], uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        return name.lower()


def _looks_like_address(text: str) -> bool:
    """Return whether a text is meant as an address, in any notation: with a colon, or a number as last label."""
    last = text.rpartition(".")[2]
    return ":" in text or last.isdigit() or re.fullmatch(r"0[xX][0-9a-fA-F]+", last) is not None


def _shares_domain(name: str, dns_names: tuple[str, ...]) -> bool:
    """Return whether a name is in the same registered domain as one of the dNSNames."""
    own = registered_domain(name.removeprefix("*."))
    return own in {registered_domain(other.lower().removeprefix("*.")) for other in dns_names}
