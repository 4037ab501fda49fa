"""Names of the numbers of TLS, as in the registries of IANA (RFC 8447), and the properties that a suite's name states.

A number without a name is `0xNNNN`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

SSL2, SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
VERSIONS: Final[Mapping[int, str]] = {
    SSL2: "SSLv2",
    SSL3: "SSLv3",
    TLS10: "TLSv1",
    TLS11: "TLSv1.1",
    TLS12: "TLSv1.2",
    TLS13: "TLSv1.3",
}
"""Protocol versions, oldest first, by their number on the wire."""

SSL2_SUITES: Final[Mapping[int, str]] = {
    0x010080: "SSL_CK_RC4_128_WITH_MD5",
    0x020080: "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
    0x030080: "SSL_CK_RC2_128_CBC_WITH_MD5",
    0x040080: "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
    0x050080: "SSL_CK_IDEA_128_CBC_WITH_MD5",
    0x060040: "SSL_CK_DES_64_CBC_WITH_MD5",
    0x0700C0: "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
}
"""Suites of SSLv2, which have three bytes."""

X25519: Final = 29
FFDHE: Final = range(256, 261)
_CURVES: Final = """
    sect163k1 sect163r1 sect163r2 sect193r1 sect193r2 sect233k1 sect233r1 sect239k1 sect283k1 sect283r1 sect409k1
    sect409r1 sect571k1 sect571r1 secp160k1 secp160r1 secp160r2 secp192k1 secp192r1 secp224k1 secp224r1 secp256k1
    secp256r1 secp384r1 secp521r1 brainpoolP256r1 brainpoolP384r1 brainpoolP512r1 x25519 x448 brainpoolP256r1tls13
    brainpoolP384r1tls13 brainpoolP512r1tls13 GC256A GC256B GC256C GC256D GC512A GC512B GC512C curveSM2"""
GROUPS: Final[Mapping[int, str]] = {
    **dict(enumerate(_CURVES.split(), start=1)),
    **dict(zip(FFDHE, ("ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"), strict=True)),
    512: "MLKEM512",
    513: "MLKEM768",
    514: "MLKEM1024",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
    0x11EE: "curveSM2MLKEM768",
    0x6399: "X25519Kyber768Draft00",
    0x639A: "SecP256r1Kyber768Draft00",
    0xFF01: "arbitrary_explicit_prime_curves",
    0xFF02: "arbitrary_explicit_char2_curves",
}
"""Supported groups (RFC 8422, RFC 7919, RFC 8446, RFC 10024)."""

PRIMES: Final[Mapping[str, str]] = {
    "9cd3b7f336872f46c09428d1bbc19877a4d440512cda8d1c1cf0cd6e33698966": "ffdhe2048",
    "0eaf67db3a839156d5013494a5318a772b5697d270d721f37f092efc69ea5a17": "ffdhe3072",
    "4648414224ac881b3d0dc59b466f96d06a558278776807797ecf1f66ff397b3e": "ffdhe4096",
    "227ac9066b3ddd9e193670cda2388fa884f65ba0cf98b742d1fe77a6687c79c7": "ffdhe6144",
    "770b14efaf6f049929c523113b3fa99a8d11dab1b18af3609590122075d19833": "ffdhe8192",
    "b52ba6a3026520a6c49d37e4587601801bee500123b3259b6bf03e7cecc3e63d": "RFC 2409 group 1",
    "3f35a3f5f6c4376a744acad409bb22f8d897f949d2311d885adaa890981b67a0": "RFC 2409 group 2",
    "64fcc83ec403930bf18393dbc883ccaa1fbb08ac876f77f7aa99748ca945019b": "RFC 3526 group 5",
    "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e": "RFC 3526 group 14",
    "48cf8b092fbce4359d9871abf74f98e25b6163379eaa15cd9087e800c6d1c55c": "RFC 3526 group 15",
    "4ee95187682bcb230ad26a95205f6920e84708f6251b3894329b09ec23919e33": "RFC 3526 group 16",
    "d1bfe6d0925ce7e4da262b62861514a7755e35831e429f343e7b864848657efd": "RFC 3526 group 17",
    "39ab4feab950a3128fb71accb9fc3965d857012e081998a85996e3ea8b3c3bcf": "RFC 3526 group 18",
    "44c55cfee5c075927cf682da5b681bdecbd5c3eb0784c14f5dce7610f0ef133d": "RFC 5114 group 22",
    "bfe545862ca102ad1eeddb5fbfa5bf855ac4995c56a8b408ce3fe099dce93a9d": "RFC 5114 group 23",
    "0b7835722cb619827610c2549fdda5587421686c4409a13865e76225522ddcc9": "RFC 5114 group 24",
}
"""Published primes of Diffie-Hellman groups (RFC 2409, RFC 3526, RFC 5114, RFC 7919), by the SHA-256 digest of the
prime, big-endian without leading zeros. An attacker computes once for a prime that many servers share (Logjam)."""

SIGNATURE_SCHEMES: Final[Mapping[int, str]] = {
    0x0101: "rsa_pkcs1_md5",
    0x0102: "dsa_md5",
    0x0103: "ecdsa_md5",
    0x0201: "rsa_pkcs1_sha1",
    0x0202: "dsa_sha1",
    0x0203: "ecdsa_sha1",
    0x0301: "rsa_pkcs1_sha224",
    0x0302: "dsa_sha224",
    0x0303: "ecdsa_sha224",
    0x0401: "rsa_pkcs1_sha256",
    0x0402: "dsa_sha256",
    0x0403: "ecdsa_secp256r1_sha256",
    0x0501: "rsa_pkcs1_sha384",
    0x0502: "dsa_sha384",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0601: "rsa_pkcs1_sha512",
    0x0602: "dsa_sha512",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
    0x0809: "rsa_pss_pss_sha256",
    0x080A: "rsa_pss_pss_sha384",
    0x080B: "rsa_pss_pss_sha512",
    0x081A: "ecdsa_brainpoolP256r1tls13_sha256",
    0x081B: "ecdsa_brainpoolP384r1tls13_sha384",
    0x081C: "ecdsa_brainpoolP512r1tls13_sha512",
    0x0904: "mldsa44",
    0x0905: "mldsa65",
    0x0906: "mldsa87",
}
"""Signature schemes (RFC 8446 4.2.3); those below 0x0800 are a hash and a key type of TLS 1.2 (RFC 5246 7.4.1.4.1)."""

ALERTS: Final[Mapping[int, str]] = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    47: "illegal_parameter",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}
"""Alerts that may end a handshake (RFC 8446 6, RFC 5246 7.2)."""

_PARTS: Final = re.compile(
    r"TLS_(?P<exchange>KRB5|NULL|PSK|RSA_PSK|DHE_PSK|ECDHE_PSK|ECCPWD|SRP_SHA|FORTEZZA_KEA|GOSTR\d+(?:_256)?|RSA_FIPS|"
    r"RSA|ECDHE?|DHE?)(?:_(?P<key>RSA|DSS|ECDSA|anon))?(?P<export>_EXPORT(?:1024)?)?_WITH_(?P<cipher>.+)"
)


_EPHEMERAL: Final = ("DHE", "ECDHE", "DHE_PSK", "ECDHE_PSK", "ECCPWD")
_BROKEN: Final = ("NULL", "RC4", "RC2", "DES_", "DES40", "FORTEZZA", "SHA")  # RFC 9150 has no encryption either


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """What a name states. `key` is the type of the server's key (`RSA`, `ECDSA`, `DSS`), `anon`, or empty."""

    number: int
    name: str
    exchange: str  # "ECDHE", "DHE", "RSA", "DH", "ECDH", "PSK", …; empty for the suites of TLS 1.3
    key: str
    cipher: str  # "AES_128_GCM_SHA256"
    is_export: bool

    @property
    def is_tls13(self) -> bool:
        """Whether it is one of TLS 1.3, which names neither key exchange nor key."""
        return not self.exchange

    @property
    def is_broken(self) -> bool:
        """Whether it has no encryption, no authentication, or a cipher that is broken (RFC 9325 4.1)."""
        return self.is_export or self.key == "anon" or self.cipher.startswith(_BROKEN)

    @property
    def is_ephemeral(self) -> bool:
        """Whether it has forward secrecy: the key exchange is ephemeral, also if nothing is authenticated."""
        return self.is_tls13 or self.exchange in _EPHEMERAL or self.key == "anon"

    @property
    def is_weak(self) -> bool:
        """Whether its cipher has blocks of 64 bits, or a mode that needs encrypt-then-MAC (RFC 9325 4.2)."""
        return self.is_cbc or self.cipher.startswith(("3DES", "IDEA"))

    @property
    def is_cbc(self) -> bool:
        """Whether it encrypts after it authenticates, in CBC mode, unless encrypt-then-MAC is agreed (RFC 7366)."""
        return "_CBC" in self.cipher


@cache
def suites() -> Mapping[int, CipherSuite]:
    """Return the suites of SSLv3 and TLS by number, in the order of their numbers."""
    listed = resources.files("audit.observation").joinpath("cipher_suites.txt").read_text("ascii")
    return {int(line[:4], 16): _suite(int(line[:4], 16), line[5:]) for line in listed.splitlines()}


def suite_name(number: int) -> str:
    """Return the name of a suite."""
    known = suites().get(number)
    return known.name if known else SSL2_SUITES.get(number) or f"0x{number:04X}"


def group_name(number: int) -> str:
    """Return the name of a group."""
    return GROUPS.get(number) or f"0x{number:04X}"


def scheme_name(number: int) -> str:
    """Return the name of a signature scheme."""
    return SIGNATURE_SCHEMES.get(number) or f"0x{number:04X}"


def prime_name(prime: bytes) -> str:
    """Return the name of a prime without leading zeros, empty if it is not a published one."""
    return PRIMES.get(sha256(prime).hexdigest(), "")


def version_name(number: int) -> str:
    """Return the name of a protocol version."""
    return VERSIONS.get(number) or f"0x{number:04X}"


def _suite(number: int, name: str) -> CipherSuite:
    parts = _PARTS.fullmatch(name)
    if parts is None:  # TLS 1.3
        return CipherSuite(number, name, "", "", name.removeprefix("TLS_"), is_export=False)
    exchange, key = parts["exchange"], parts["key"] or ""
    if exchange in ("RSA", "RSA_FIPS", "RSA_PSK"):
        key = "RSA"
    return CipherSuite(number, name, exchange, key, parts["cipher"], is_export=bool(parts["export"]))
