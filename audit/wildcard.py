"""How far the one key of a wildcard certificate reaches: what else could be impersonated with it.

It compares no name with that of an endpoint, and knows no other endpoint.
"""

from __future__ import annotations

from typing import Final

from audit.certificate import Certificate
from audit.endpoint import Endpoint
from audit.public_suffix import is_public_suffix

_WEB: Final = ("https", "tls")  # what a wildcard is made for, and what does not say what it speaks


def wildcards(certificate: Certificate) -> tuple[str, ...]:
    """Return the presented wildcards."""
    return tuple(name for name in certificate.dns_names if name.startswith("*."))


def wildcard_faults(certificate: Certificate, endpoint: Endpoint) -> tuple[str, ...]:
    """Say in a clause each how far a wildcard reaches beyond what one service needs."""
    found = wildcards(certificate)
    suffixes = [name for name in found if is_public_suffix(name.removeprefix("*."))]
    faults = [f"{name} stands for every domain below a public suffix" for name in suffixes]
    if found and endpoint.scheme not in _WEB:
        faults.append(f"the key of a service of {endpoint.scheme} is good for every web site below {', '.join(found)}")
    return tuple(faults)
