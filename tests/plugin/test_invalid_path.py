"""A path by names and signatures that Python's own `ssl` refuses is refused by the audit: `chain.invalid-path`."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.endpoint import parse_endpoint
from audit.observation import Handshake, Observation
from tests.support.evidence import keep, rows
from tests.support.x509.certificates import DAY
from tests.support.x509.certificates import NOW as THEN
from tests.support.x509.paths import Made, constraints, new_ca, new_leaf, new_root, usage

NAME: Final = "www.example.com"
UNKNOWN: Final = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
Served = tuple[Made, ...]
"""A leaf, the certificates that are sent after it, and the root, which is not sent."""


def sound() -> Served:
    root = new_root()
    authority = new_ca(root)
    return new_leaf(authority), authority, root


def through(change: Callable[[Made], Made]) -> Served:
    """Return a good chain but for a change of the intermediate."""
    root = new_root()
    authority = change(new_ca(root))
    return new_leaf(authority), authority, root


def by_another_servers_leaf() -> Served:
    _, authority, root = sound()
    other = new_leaf(authority, "other.example.com", subject="O=Other")
    return new_leaf(other), other, authority, root


def outside_the_permitted_names() -> Served:
    return through(lambda ca: ca.having(constraints(permitted=["corp.test"]), critical=True))


def by_expired_intermediate() -> Served:
    return through(lambda ca: replace(ca, end=THEN - DAY))


def by_intermediate_of_tomorrow() -> Served:
    return through(lambda ca: replace(ca, start=THEN + DAY))


def without_key_cert_sign() -> Served:
    return through(lambda ca: ca.having(usage("digital_signature"), critical=True))


def with_a_path_too_long() -> Served:
    root = new_root()
    upper = new_ca(root, "CN=Upper", path_length=0)
    lower = new_ca(upper, "CN=Lower")
    return new_leaf(lower), lower, upper, root


def with_unknown_critical_extension() -> Served:
    return through(lambda ca: ca.having(UNKNOWN, critical=True))


def with_unknown_critical_extension_in_the_leaf() -> Served:
    leaf, *above = sound()
    return leaf.having(UNKNOWN, critical=True), *above


REFUSED: Final = (
    by_another_servers_leaf,
    outside_the_permitted_names,
    by_expired_intermediate,
    by_intermediate_of_tomorrow,
    without_key_cert_sign,
    with_a_path_too_long,
    with_unknown_critical_extension,
    with_unknown_critical_extension_in_the_leaf,
)


def today(chain: Served) -> Served:
    """Return the same certificates as if they had been made for today: `ssl` has no other clock."""
    ahead, moved = datetime.now(UTC).replace(microsecond=0) - THEN, dict[int, Made]()
    for made in reversed(chain):  # an issuer before what it issued
        issuer = made.issuer and moved[id(made.issuer)]
        moved[id(made)] = replace(made, start=made.start + ahead, end=made.end + ahead, issuer=issuer)
    return tuple(moved[id(made)] for made in chain)


def written(folder: Path, chain: Served) -> tuple[Path, Path, Path]:
    """Write the chain as a server has it, its key and the root; returns the files."""
    leaf, *_, root = chain
    files = folder / "chain.pem", folder / "key.pem", folder / "root.pem"
    files[0].write_text("".join(ssl.DER_cert_to_PEM_cert(made.der) for made in chain[:-1]))
    files[1].write_bytes(leaf.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files[2].write_text(ssl.DER_cert_to_PEM_cert(root.der))
    return files


def shake_hands(folder: Path, chain: Served) -> None:
    """Shake hands with a server of this chain as any Python program does; raises ssl.SSLCertVerificationError."""
    served, key, root = written(folder, chain)
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(served, key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=str(root)).wrap_bio(to_client, to_server, server_hostname=NAME)
    server = listening.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


class Audit:
    """What the command line reports of one endpoint that serves a chain."""

    def __init__(self, pytester: pytest.Pytester, *chains: Served) -> None:
        self.now = datetime.now(UTC)
        *_, root = written(pytester.path, chains[0])
        handshakes = tuple(shake(f"192.0.2.{number}", chain) for number, chain in enumerate(chains, 1))
        addresses = tuple(handshake.address for handshake in handshakes)
        seen = Observation(parse_endpoint(f"https://{NAME}"), self.now, addresses, handshakes)
        results = pytester.path / "results.jsonl"
        given = ("--audit-from-evidence", keep(pytester.path / "evidence", [seen]), "--audit-results", results,
                 "--audit-trust", root, "--audit-now", f"{self.now:%Y-%m-%dT%H:%M:%SZ}")  # fmt: skip
        checks = ("-k", "cert or chain or key or svc")
        self.status = int(pytester.runpytest("--pyargs", "audit", "-q", "-p", "no:cacheprovider", *checks, *given).ret)
        self.failed = {str(row["check"]): row for row in rows(results) if row["verdict"] == "fail"}


def shake(address: str, chain: Served) -> Handshake:
    """Return the handshake in which a chain was sent, its root left out."""
    ders = tuple(made.der for made in chain[:-1])
    return Handshake(address, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", None, ders, None, 0.01, ())


def test_sound_path_is_accepted_by_ssl_and_the_audit(tmp_path: Path, pytester: pytest.Pytester) -> None:
    chain = today(sound())
    shake_hands(tmp_path, chain)
    audit = Audit(pytester, chain)
    assert (audit.status, audit.failed) == (0, {})


@pytest.mark.parametrize("make", REFUSED)
def test_path_that_ssl_refuses_is_invalid(
    make: Callable[[], Served], tmp_path: Path, pytester: pytest.Pytester
) -> None:
    chain = today(make())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path, chain)
    audit = Audit(pytester, chain)
    assert (audit.status, set(audit.failed)) == (1, {"chain.invalid-path"})
    assert audit.failed["chain.invalid-path"]["severity"] == "critical"


def test_expired_leaf_is_not_also_an_invalid_path(pytester: pytest.Pytester) -> None:
    leaf, *above = sound()
    audit = Audit(pytester, today((replace(leaf, end=THEN - DAY), *above)))
    assert set(audit.failed) == {"cert.expired"}


def test_invalid_path_at_second_address_is_found(pytester: pytest.Pytester) -> None:
    good, other = today(sound()), today(by_expired_intermediate())
    leaf, authority, root = good
    expired = replace(authority, end=other[1].end)
    audit = Audit(pytester, good, (leaf, expired, root))
    assert (audit.status, set(audit.failed)) == (1, {"chain.invalid-path"})
    assert str(audit.failed["chain.invalid-path"]["message"]).startswith("at 192.0.2.2: intermediate 1")
    assert audit.failed["chain.invalid-path"]["remedy"] == "rechain"
