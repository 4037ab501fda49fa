"""Finds private keys, tokens and passwords in content: the last check before it is stored or sent."""

from __future__ import annotations

import re
from typing import Final

from audit.redaction import Secrets

_KEYS: Final[tuple[tuple[str, re.Pattern[bytes]], ...]] = (
    ("a private key in PEM", re.compile(rb"-----BEGIN[A-Z0-9]*PRIVATEKEY", re.IGNORECASE)),
    (
        "a private key in PKCS #8",
        re.compile(
            rb"ADANBgkqhkiG9w0BAQEFAAS|AgEAM[BC][A-Z]GByqGSM49AgE|MC4CAQAwBQYDK2VwBCIEI"
            rb"|ADALBglghkgBZQMEAx[EIM]E|MDQCAQAwCwYJYIZIAWUDBAM[R-T]BCK"
        ),
    ),
    ("a private key in PKCS #1", re.compile(rb"MII[A-Za-z0-9+/]{2}[AQgw]IBAAKC")),
    ("a private key in SEC 1", re.compile(rb"MHcCAQEEI|MIGkAgEBBD|MIHcAgEBBE")),
    ("a private key as a JWK", re.compile(rb'"kty":.{0,2000}"d":"[A-Za-z0-9_-]{20}', re.DOTALL)),
    ("a private key as openssl prints it", re.compile(rb"(privateExponent|priv):([0-9a-f]{2}:){8}")),
)
"""Keys in text without white space; base64 by the beginnings of RSA, P-256, P-384, P-521, Ed25519 and ML-DSA keys."""

_PASSWORDS: Final[tuple[tuple[str, re.Pattern[bytes]], ...]] = (
    ("a token", re.compile(rb"authorization:\s*\"?(bearer|basic)\s+[a-z0-9+/=._~-]{12}", re.IGNORECASE)),
    ("a password in a URL", re.compile(rb"://[^\s/@:\"'<>]{1,64}:[^\s/@\"'<>]{1,256}@")),
)
"""Tokens and passwords in unchanged text."""

_DER: Final[tuple[bytes, ...]] = (
    bytes.fromhex("020100300d06092a864886f70d01010105000482"),  # PKCS #8, RSA
    bytes.fromhex("020100301306072a8648ce3d020106082a8648ce3d030107"),  # PKCS #8, P-256
    bytes.fromhex("020100301006072a8648ce3d020106052b81040022"),  # PKCS #8, P-384
    *(bytes.fromhex(f"020100300b06096086480165030403{number:02x}04") for number in (17, 18, 19)),  # PKCS #8, ML-DSA
    bytes.fromhex("30770201010420"),  # SEC 1, P-256
    bytes.fromhex("3081a40201010430"),  # SEC 1, P-384
)


def find_secret(content: bytes, secrets: Secrets) -> str | None:
    """Return which kind of secret content holds, without repeating it; None if it holds none.

    `secrets` are those of the configuration, which are found in every common encoding.
    """
    if secrets.are_in(content):
        return "a secret of the configuration"
    if any(form in content for form in _DER):
        return "a private key in DER"
    packed = re.sub(rb"\s|\\[nrt]", b"", content)  # PEM is wrapped in lines, which JSON writes as \n
    kinds = (
        what for forms, text in ((_KEYS, packed), (_PASSWORDS, content)) for what, form in forms if form.search(text)
    )
    return next(kinds, None)
