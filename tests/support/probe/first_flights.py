"""First flights of servers: of OpenSSL in memory, and composed by tlslite for what OpenSSL does not send any more."""

from __future__ import annotations

from typing import Any, Final

from OpenSSL import SSL
from tlslite.constants import CertificateType, ECCurveType, GroupName, SignatureAlgorithm
from tlslite.constants import HashAlgorithm as Hash
from tlslite.messages import Certificate, CertificateRequest, ServerHello, ServerHelloDone, ServerKeyExchange
from tlslite.x509 import X509
from tlslite.x509certchain import X509CertChain

from tests.support.probe.tls_servers import certificate, der

TLS11_WIRE, TLS12_WIRE = (3, 2), (3, 3)
PRIME: Final = (1 << 1023) + 1155  # of 1024 bits


def flight_of_openssl(served: SSL.Context, hello: bytes) -> bytes:
    """Return what a server of OpenSSL sends in return for a hello: a flight, or an alert."""
    connection = SSL.Connection(served, None)
    connection.set_accept_state()
    connection.bio_write(hello)
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        pass
    except SSL.Error:
        return connection.bio_read(65_536)
    sent = b""
    while True:
        try:
            sent += connection.bio_read(65_536)
        except SSL.WantReadError:
            return sent


def record(kind: int, body: bytes, version: tuple[int, int] = TLS12_WIRE) -> bytes:
    """Return a record."""
    return bytes((kind, *version)) + len(body).to_bytes(2) + body


def alert(level: int, description: int) -> bytes:
    """Return the record of an alert."""
    return record(21, bytes((level, description)))


def hello(suite: int, version: tuple[int, int] = TLS12_WIRE, extensions: list[Any] | None = None) -> bytes:
    """Return a ServerHello."""
    return written(ServerHello().create(version, bytearray(32), bytearray(), suite, extensions=extensions))


def chain() -> bytes:
    """Return a Certificate message with one certificate."""
    parsed = X509()
    parsed.parseBinary(der(certificate()))
    return written(Certificate(CertificateType.x509, TLS12_WIRE).create(X509CertChain([parsed])))


def dhe(suite: int, version: tuple[int, int] = TLS12_WIRE) -> bytes:
    """Return a key exchange in a finite field, signed by rsa_pkcs1_sha256 if the version names schemes."""
    return _signed(ServerKeyExchange(suite, version).createDH(PRIME, 2, 4))


def ecdhe(suite: int, group: int = GroupName.secp384r1, version: tuple[int, int] = TLS12_WIRE) -> bytes:
    """Return a key exchange on a curve, signed as that of `dhe`."""
    message = ServerKeyExchange(suite, version).createECDH(ECCurveType.named_curve, group, bytearray(97))
    return _signed(message)


def request() -> bytes:
    """Return a request for a certificate of the client."""
    schemes = [(Hash.sha256, SignatureAlgorithm.rsa)]
    return written(CertificateRequest(TLS12_WIRE).create([1], [], schemes))


def done() -> bytes:
    """Return a ServerHelloDone."""
    return written(ServerHelloDone().create())


def whole(suite: int, *more: bytes) -> bytes:
    """Return a flight of TLS 1.2, all of it in one record."""
    return record(22, b"".join((hello(suite), chain(), *more, done())))


def written(message: Any) -> bytes:  # noqa: ANN401 - tlslite has no types
    """Return the bytes of a message of tlslite."""
    return bytes(message.write())


def _signed(message: Any) -> bytes:  # noqa: ANN401 - as above
    message.hashAlg, message.signAlg, message.signature = Hash.sha256, SignatureAlgorithm.rsa, bytearray(64)
    return written(message)
