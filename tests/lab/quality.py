"""How good a served chain is to a client that verifies, and in what one is worse than another.

It judges by OpenSSL and by names alone, with nothing of what is being tried out on the lab.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from OpenSSL import SSL

_ERRORS: Final = {
    2: "its issuer is not there", 9: "it is not yet valid", 10: "it has expired", 18: "it is self-signed",
    19: "it leads to a root that is not trusted", 20: "its issuer is not known", 21: "it cannot be verified",
    26: "it is not for servers", 66: "its key is too weak", 68: "its signature is too weak",
}  # fmt: skip
"""OpenSSL's reasons (x509_vfy.h) that can be seen in the lab."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The faults of a chain, the names that its leaf is for, and since when it is valid."""

    faults: frozenset[str]
    names: frozenset[str]
    since: datetime

    def worse_than(self, other: Quality) -> Iterator[str]:
        """Yield a text for each difference that is worse; nothing where all is as good or better.

        Of two that clients accept the older one is worse: it has been replaced.
        """
        yield from sorted(self.faults - other.faults)
        if lost := sorted(other.names - self.names):
            yield f"it is not for {', '.join(lost)} any more"
        if not self.faults and not other.faults and self.since < other.since:
            yield "it is the one that was replaced"


def verifying(trust: str) -> SSL.Context:
    """Return a client's TLS that verifies and goes on whatever it finds: the errors are kept with the connection."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=2")
    context.load_verify_locations(trust)
    context.set_verify(SSL.VERIFY_PEER, _note)
    return context


def _note(connection: SSL.Connection, _certificate: object, error: int, *_: int) -> bool:
    if error:
        connection.get_app_data().add(error)
    return True


def quality_of(chain: Sequence[x509.Certificate], errors: frozenset[int], name: str) -> Quality:
    """Return how good a chain is that a verifying client saw under a name."""
    leaf = chain[0]
    faults = {_ERRORS.get(error, f"OpenSSL's error {error}") for error in errors}
    names = _names(leaf)
    if name not in names:
        faults.add(f"it is not for {name}")
    if len(set(chain)) < len(chain) or any(one.issuer != above.subject for one, above in pairwise(chain)):
        faults.add("its chain is in disorder")
    if any(above.not_valid_after_utc < leaf.not_valid_after_utc for above in chain):
        faults.add("its chain ends before it")
    return Quality(frozenset(faults), names, leaf.not_valid_before_utc)


def _names(leaf: x509.Certificate) -> frozenset[str]:
    try:
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return frozenset()
    return frozenset(san.get_values_for_type(x509.DNSName))
