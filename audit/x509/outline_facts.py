"""The facts of a certificate that the library refuses, whole or in one extension, as far as its outline gives them.

A wrong version or a time without seconds hides neither the key nor the end of the validity, and an extension that
cannot be read hides no other. It judges nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from audit.x509.fields import UNREADABLE, USAGES
from audit.x509.public_keys import key_of_spki
from audit.x509.raw import Reading, read_outline
from audit.x509.signatures import ALGORITHMS


def facts_of_outline(der: bytes) -> dict[str, Any]:
    """Return by name the facts that can be read; never raises."""
    found = dict[str, Any]()
    for name, read in _FACTS.items():
        try:
            found[name] = read(read_outline(der))
        except UNREADABLE:
            continue
    return found


def _algorithm(reading: Reading) -> tuple[str, str | None]:
    name, digest = ALGORITHMS.get(reading.algorithm_oid, (reading.algorithm_oid, None))
    if name == "id-RSASSA-PSS":
        raise ValueError("the digest stands in parameters that the library reads")
    return name, digest


def _lifetime(reading: Reading) -> timedelta:
    if reading.lifetime <= timedelta(0):
        raise ValueError("notAfter is before notBefore")
    return reading.lifetime


def _names(reading: Reading) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return dNSNames and iPAddresses; raises ValueError where one of either is none: then all are in doubt."""
    _once(reading)
    names = reading.dns_names
    if not all(map(str.isascii, names)):
        raise ValueError("a dNSName is not an IA5String")
    return names, tuple(map(str, reading.addresses))


def _usages(reading: Reading) -> tuple[str, ...] | None:
    usages = _once(reading).usages
    return None if usages is None else tuple(USAGES.get(usage, usage) for usage in usages)


def _once(reading: Reading) -> Reading:
    """Return a certificate none of whose extensions is there twice; raises ValueError for another."""
    if reading.repeated:
        raise ValueError(f"the extension {reading.repeated[0]} is there more than once")
    return reading


_FACTS: Final[dict[str, Callable[[Reading], Any]]] = {
    "not_before": lambda reading: reading.not_before,
    "not_after": lambda reading: reading.not_after,
    "lifetime": _lifetime,
    "spki_sha256": lambda reading: hashlib.sha256(reading.spki).hexdigest(),
    "key": lambda reading: key_of_spki(reading.spki),
    "signature_algorithm": lambda reading: _algorithm(reading)[0],
    "signature_digest": lambda reading: _algorithm(reading)[1],
    "dns_names": lambda reading: _names(reading)[0],
    "ip_addresses": lambda reading: _names(reading)[1],
    "has_san": lambda reading: any(_names(reading)),
    "extended_key_usages": _usages,
    "is_ca": lambda reading: _once(reading).is_ca,
}
