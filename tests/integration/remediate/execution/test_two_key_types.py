"""A repair of one certificate of a service that serves two, one for RSA and one for ECDSA."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from remediate.state.journal import Journal
from tests.support.probe.observations import look_at
from tests.support.remediate.fake_host.ca import leaf_of, pems_of
from tests.support.remediate.fake_host.host import FakeHost, digest_of, write_expired
from tests.support.x509.ca import PrivateKey, new_key, new_rsa_key

NEW_KEYS: dict[str, Callable[[], PrivateKey]] = {"rsa-2048": lambda: new_rsa_key(2048), "ecdsa-p256": new_key}
KINDS = {"rsa-2048": rsa.RSAPublicKey, "ecdsa-p256": ec.EllipticCurvePublicKey}
EACH_KEY_TYPE = pytest.mark.parametrize("key_type", NEW_KEYS)


def prepared(host: FakeHost, key_type: str) -> str:
    """Let the service serve an expired certificate and, with a key of the other type, a good one: return its digest."""
    (other,) = NEW_KEYS.keys() - {key_type}
    write_expired(host.folder, host.name, private_key=NEW_KEYS[key_type]())
    certificates, key = pems_of(leaf_of(host.name), NEW_KEYS[other]())
    (host.folder / "beside").write_text(certificates + key)
    return digest_of(certificates)


def seen(host: FakeHost) -> dict[str, x509.Certificate]:
    """Return every leaf that an observation of the service finds, by digest."""
    ders = (handshake.chain_der[0] for handshake in look_at(f"tls://127.0.0.1:{host.endpoint.port}").every_handshake)
    return {sha256(der).hexdigest(): x509.load_der_x509_certificate(der) for der in ders}


@EACH_KEY_TYPE
def test_new_certificate_is_verified_and_the_other_key_type_is_kept(
    host: FakeHost, journal: Journal, key_type: str
) -> None:
    beside = prepared(host, key_type)
    assert seen(host).keys() == {beside, digest_of(host.certificate.read_text())}
    ending = host.repair(journal, key_type=key_type)
    assert ending.ended_as == "proven", ending
    installed = digest_of(host.certificate.read_text())
    served = seen(host)
    assert served.keys() == {beside, installed}
    assert isinstance(served[installed].public_key(), KINDS[key_type])


@EACH_KEY_TYPE
def test_good_certificate_of_the_other_key_type_verifies_nothing(
    host: FakeHost, journal: Journal, key_type: str
) -> None:
    beside, old = prepared(host, key_type), host.certificate.read_text()
    ending = host.repair(journal, key_type=key_type, installers=host.installers(loads=False))
    assert (ending.ended_as, ending.cause) == ("failed", "proof.failed"), ending
    assert "127.0.0.1 serves another leaf" in ending.note
    assert host.certificate.read_text() == old
    assert seen(host).keys() == {beside, digest_of(old)}


@EACH_KEY_TYPE
def test_rejected_certificate_is_not_verified_by_the_other_key_type(
    host: FakeHost, journal: Journal, key_type: str, tmp_path: Path
) -> None:
    prepared(host, key_type)
    loads = f"cd {host.folder} && openssl x509 -in tls.crt >served.new && cat tls.key >>served.new"
    without_chain = replace(host.first.installer(), reload_command=f"{loads} && mv served.new served")
    ending = host.repair(journal, key_type=key_type, installers={host.service: without_chain})
    assert (ending.ended_as, "no path leads to a trust anchor" in ending.note) == ("failed", True), ending
    assert list((tmp_path / "sslaudit").rglob("rejected.*"))
