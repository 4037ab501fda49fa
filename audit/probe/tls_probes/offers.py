"""What the probes of an endpoint offer: lists of suites, groups and signature schemes, the best ones first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from audit.observation.tls_registry import (
    FFDHE,
    GROUPS,
    SIGNATURE_SCHEMES,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    X25519,
    CipherSuite,
    suites,
)
from audit.probe.tls_probes.client_hello import (
    DEFLATE,
    RENEGOTIATION_SCSV,
    WANTED,
    ClientHello,
)

_EXCHANGES: Final = ("ECDHE", "DHE", "RSA")
_CIPHERS: Final = ("AES", "CHACHA20", "CAMELLIA", "ARIA", "SEED", "IDEA", "3DES", "RC4_128")
_GROUPS: Final = (X25519, 23, 24, 30, 25, 26, 27, 28, 22, 21, 19, *FFDHE)
_SIGNATURES: Final = {
    "ECDSA": (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0303, 0x0203),
    "RSA": (0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401, 0x0501, 0x0601, 0x0301, 0x0201),
    "DSS": (0x0402, 0x0502, 0x0602, 0x0302, 0x0202),
}
"""The schemes for each type of key."""
_SHARE_BYTES: Final = 32
TLS13_SUITES: Final = (0x1302, 0x1303, 0x1301, 0x1304, 0x1305)
HYBRID_GROUPS: Final = (0x11EC, 0x11EB, 0x11ED, 0x11EE, 0x6399, 0x639A)
ELLIPTIC_GROUPS: Final = (
    X25519,
    *(number for number in GROUPS if number < FFDHE[0] and number != X25519),
    0xFF01,
    0xFF02,
)
"""The groups that servers up to TLS 1.2 name in their key exchange."""
TLS13_GROUPS: Final = (
    *HYBRID_GROUPS,
    512,
    513,
    514,
    *(number for number in ELLIPTIC_GROUPS if number < FFDHE[0]),
    *FFDHE,
)
WEAK_GROUPS: Final = tuple(number for number in ELLIPTIC_GROUPS if number < 21 or number > 0xFF00)
"""Groups below 224 bits, binary ones, and curves that a server makes itself (RFC 8422 5.1.1)."""
SCHEMES: Final = tuple(SIGNATURE_SCHEMES)
WEAK_SCHEMES: Final = tuple(number for number in SCHEMES if number < 0x0300)
"""Schemes with MD5 and SHA-1 (RFC 9155)."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client of one endpoint: the name it sends, if any, and the protocols of ALPN."""

    server_name: str = ""
    alpn: Sequence[bytes] = ()

    def before_tls13(self, preferred: str = "ECDSA") -> ClientHello:
        """Return the hello of a client that has TLS 1.2 and everything older, and prefers this type of key."""
        keys = (preferred, *(key for key in _SIGNATURES if key != preferred))
        signatures = (number for key in keys for number in _SIGNATURES[key])
        return self._hello((TLS12,), _offered(keys), tuple(signatures))

    def before_tls12(self) -> ClientHello:
        """Return the hello of a client that has TLS 1.1 and 1.0."""
        return self._hello((TLS11,), _offered(tuple(_SIGNATURES)), ())

    def with_tls10(self) -> ClientHello:
        """Return the hello of a client that has TLS 1.0 alone."""
        return self._hello((TLS10,), _offered(tuple(_SIGNATURES)), ())

    def with_key_type(self, key: str) -> ClientHello:
        """Return the hello of a client that accepts certificates with keys of this type alone: `RSA` or `ECDSA`.

        Its key share is a random number, which is a public key of X25519. A server without a certificate of this type
        refuses, and the handshake with one that has it is abandoned.
        """
        return self._hello((TLS13, TLS12), (*TLS13_SUITES[:3], *_offered((key,))), _SIGNATURES[key])

    def offering(
        self,
        version: int,
        offered: Sequence[int],
        *,
        groups: Sequence[int] | None = None,
        schemes: Sequence[int] | None = None,
    ) -> ClientHello:
        """Return the hello of a client of one version that offers these suites and, if given, these groups and schemes.

        One of TLS 1.3 has no key share: the server names the group that it would choose, and computes nothing.
        """
        default = TLS13_GROUPS if version == TLS13 else ELLIPTIC_GROUPS
        listed = (*offered, RENEGOTIATION_SCSV) if version < TLS13 else tuple(offered)
        accepted = (SCHEMES if schemes is None else schemes) if version >= TLS12 else ()
        hello = self._hello((version,), listed, accepted)
        return replace(hello, groups=default if groups is None else groups, key_shares=())

    def _hello(self, versions: Sequence[int], offered: Sequence[int], signatures: Sequence[int]) -> ClientHello:
        is_tls13 = TLS13 in versions
        return ClientHello(
            versions,
            offered,
            _GROUPS,
            signatures,
            self.server_name,
            self.alpn,
            key_shares=((X25519, os.urandom(_SHARE_BYTES)),) if is_tls13 else (),
            compressions=() if is_tls13 else (DEFLATE,),
            extensions=WANTED,
        )


@cache
def every_suite() -> tuple[int, ...]:
    """Return all suites before TLS 1.3."""
    return suites_where(lambda _: True)


@cache
def suites_where(accepts: Callable[[CipherSuite], bool]) -> tuple[int, ...]:
    """Return the suites before TLS 1.3 for which this is true, those in use first and the best of them first."""
    known = [suite for suite in suites().values() if not suite.is_tls13 and suite.number and accepts(suite)]
    return tuple(suite.number for suite in sorted(known, key=_place))


@cache
def _offered(keys: tuple[str, ...]) -> tuple[int, ...]:
    """Return the suites in use for these types of keys, the first type first, and the signal of RFC 5746."""
    known = [suite for suite in suites().values() if suite.key in keys and _is_in_use(suite)]
    ranked = sorted(known, key=lambda suite: (keys.index(suite.key), _rank(suite)))
    return (*(suite.number for suite in ranked), RENEGOTIATION_SCSV)


def _is_in_use(suite: CipherSuite) -> bool:
    return suite.exchange in _EXCHANGES and not suite.is_export and suite.cipher.startswith(_CIPHERS)


def _rank(suite: CipherSuite) -> tuple[int, bool, int]:
    family = next(place for place, name in enumerate(_CIPHERS) if suite.cipher.startswith(name))
    return family, suite.is_cbc, _EXCHANGES.index(suite.exchange)


def _place(suite: CipherSuite) -> tuple[bool, tuple[int, bool, int], int]:
    is_in_use = suite.key in _SIGNATURES and _is_in_use(suite)
    return not is_in_use, _rank(suite) if is_in_use else (0, False, 0), suite.number
