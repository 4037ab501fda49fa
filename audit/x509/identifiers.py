"""Reference and presented identifiers (RFC 9525): the syntax of DNS names, matching, and what a wildcard covers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from audit.endpoint import Endpoint, to_address
from audit.x509.certificate import Certificate
from audit.x509.public_suffix import is_public_suffix

_LABEL: Final = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)", re.ASCII)
_MAX_LENGTH: Final = 253
_PRESENTED_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.IGNORECASE)
_NOT_PUBLIC_HOSTS: Final = ("localhost", "localdomain", "invalid")  # RFC 6761 6.3 and 6.4; Red Hat's default name
_WEB: Final = ("https", "tls")  # web servers, and services of unknown protocol


def is_dns_name(text: str) -> bool:
    """Return whether a text is a DNS name in preferred syntax, without a trailing dot."""
    labels = text.split(".")
    return len(text) <= _MAX_LENGTH and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def is_presentable(text: str) -> bool:
    """Return whether a text is a DNS name, or a wildcard label followed by one (RFC 9525 6.3)."""
    return is_dns_name(text.removeprefix("*."))


def is_mailbox(text: str) -> bool:
    """Return whether a text is an address of one local part and one host (RFC 5280 4.2.1.6, RFC 5321 4.1.2)."""
    local, _, host = text.partition("@")
    return bool(local) and local.isprintable() and " " not in local and is_dns_name(host)


def covers_name(certificate: Certificate, reference: str) -> bool:
    """Return whether a presented identifier matches the reference identifier, a name as A-labels or an IP address."""
    if to_address(reference) is not None:
        return to_address(reference) in certificate.ip_addresses  # the whole address, exactly (RFC 9525 6.4)
    return any(matches(presented, reference) for presented in certificate.dns_names)


def matches(presented: str, reference: str) -> bool:
    """Return whether a dNSName matches a name: label by label without regard to case (RFC 9525 6.3).

    A wildcard is one `*` that is the whole left-most label, and matches exactly one label.
    """
    shown, wanted = presented.lower().split("."), reference.lower().rstrip(".").split(".")
    if shown[0] == "*" and len(shown) > 2 and wanted[0]:
        shown, wanted = shown[1:], wanted[1:]
    return shown == wanted and "*" not in presented.removeprefix("*.")


def covers_names_of(certificate: Certificate, other: Certificate) -> bool:
    """Return whether a certificate is valid for every name that the other presents."""
    names = (*other.dns_names, *other.ip_addresses)
    return set(names) <= {*certificate.dns_names, *certificate.ip_addresses}


def presented_identifiers(certificate: Certificate) -> tuple[str, ...]:
    """Return every presented identifier that clients compare with."""
    return (*certificate.dns_names, *certificate.ip_addresses)


def host_name_faults(name: str) -> tuple[str, ...]:
    """Return one message per reason why a name is not a fully qualified host name (RFC 1123 2.1, RFC 1035 2.3.4)."""
    if to_address(name) is not None:
        return ("it is an address, not a name",)
    labels = name.rstrip(".").split(".")
    faults = [f"the label {label!r} does not have 1 to 63 characters of a-z, 0-9 and hyphen" for label in _bad(labels)]
    if len(labels) < 2:
        faults.append("it has no domain")
    if len(name.rstrip(".")) > 253:
        faults.append("it is longer than 253 characters")
    if labels[-1].lower() in _NOT_PUBLIC_HOSTS:
        faults.append(f"{labels[-1]} is reserved and names no host")
    elif labels[-1].isdigit():
        faults.append("its last label is a number")
    return tuple(faults)


def _bad(labels: Iterable[str]) -> list[str]:
    return [label for label in labels if not _PRESENTED_LABEL.fullmatch(label)]


def wildcards(certificate: Certificate) -> tuple[str, ...]:
    """Return the presented wildcards."""
    return tuple(name for name in certificate.dns_names if name.startswith("*."))


def wildcard_faults(certificate: Certificate, endpoint: Endpoint) -> tuple[str, ...]:
    """Return one message per wildcard scope that is wider than one service needs."""
    names = wildcards(certificate)
    suffixes = [name for name in names if is_public_suffix(name.removeprefix("*."))]
    faults = [f"{name} stands for every domain below a public suffix" for name in suffixes]
    if names and endpoint.scheme not in _WEB:
        faults.append(f"the key of this {endpoint.scheme} service is valid for every website of {', '.join(names)}")
    return tuple(faults)
