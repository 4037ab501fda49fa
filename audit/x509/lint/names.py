"""Rules for names that a public CA must not certify: internal names, reserved addresses, invalid host names.

A top-level domain is one on the list of public suffixes. The list does not say since when it exists.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Final

from audit.x509.lint import LintRule, day
from audit.x509.public_suffix import is_top_level_domain
from audit.x509.raw import RawCertificate

_LABEL: Final = re.compile(r"[A-Za-z0-9_-]+")
_SPECIAL: Final = tuple(map(ipaddress.ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/127", "::ffff:0:0/96", "64:ff9b::/96",
    "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    "5f00::/16", "fc00::/7", "fe80::/10",
)))  # fmt: skip
"""The blocks of IANA's registries of special-purpose addresses (RFC 6890), which BR 1.6.1 calls reserved."""

_REVERSE: Final = (".in-addr.arpa", ".ip6.arpa")


def internal_name(raw: RawCertificate) -> str | None:
    """Require every name to end in a top-level domain of the public DNS."""
    return _first(
        raw, lambda name: not is_top_level_domain(name.rpartition(".")[2]), "does not end in a public top-level domain"
    )


def bare_suffix(raw: RawCertificate) -> str | None:
    """Forbid a name that is a top-level domain itself."""
    return _first(raw, is_top_level_domain, "is a top-level domain itself")


def bad_character(raw: RawCertificate) -> str | None:
    """Require labels of a-z, 0-9, hyphens and underscores; the left-most may be a wildcard."""
    return _first(
        raw, lambda name: not _is_spelled(name), "has a label with a character other than a-z, 0-9 and hyphen"
    )


def reverse_name(raw: RawCertificate) -> str | None:
    """Forbid names of the reverse zones."""
    return _first(raw, lambda name: name.lower().endswith(_REVERSE), "is a name of a reverse zone")


def reserved_address(raw: RawCertificate) -> str | None:
    """Forbid addresses of the special-purpose registries."""
    reserved = [str(address) for address in raw.addresses if _is_reserved(address)]
    return f"the address {', '.join(reserved)} is reserved" if reserved else None


def reserved_common_name(raw: RawCertificate) -> str | None:
    """Forbid a reserved address as a common name, even if the subject alternative name does not have it."""
    addresses = [ipaddress.ip_address(name) for name in raw.common_names if _is_address(name)]
    reserved = [str(address) for address in addresses if _is_reserved(address) and address not in raw.addresses]
    return f"the common name {', '.join(reserved)} is a reserved address" if reserved else None


def _first(raw: RawCertificate, is_wrong: Callable[[str], bool], fault: str) -> str | None:
    """Return the fault of the first invalid name, or None."""
    wrong = next((name for name in _names(raw) if is_wrong(name)), None)
    return None if wrong is None else f"the name {wrong!r} {fault}"


def _names(raw: RawCertificate) -> Iterator[str]:
    """Yield the DNS names that a CA certifies: dNSNames, and common names that are not addresses."""
    if raw.is_ca:
        return
    yield from raw.dns_names
    yield from (name for name in raw.common_names if name and not _is_address(name))


def _is_reserved(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_multicast or any(address in block for block in _SPECIAL)


def _is_spelled(name: str) -> bool:
    first, *others = name.split(".")
    return all(_LABEL.fullmatch(label) for label in (*others, *([] if first == "*" else [first])))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_CHECK: Final = "cert.internal-name"
NAME_RULES: Final = (
    LintRule("internal", _CHECK, "BR", "4.2.2", day(2012, 7, 1), internal_name),
    LintRule("bare-suffix", _CHECK, "BR", "7.1.2.7.12", day(2012, 7, 1), bare_suffix),
    LintRule("character", _CHECK, "BR", "7.1.2.7.12", day(2012, 7, 1), bad_character),
    LintRule("reserved-address", _CHECK, "BR", "4.2.2", day(2012, 7, 1), reserved_address),
    LintRule("reserved-common-name", _CHECK, "BR", "4.2.2", day(2012, 7, 1), reserved_common_name),
    LintRule("reverse-zone", _CHECK, "BR", "7.1.2.7.12", day(2026, 3, 15), reverse_name),
)
