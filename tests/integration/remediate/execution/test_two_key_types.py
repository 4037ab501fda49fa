"""A repair of one certificate of a service that serves two, one for RSA and one for ECDSA."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from remediate.execution.context import RunContext
from remediate.execution.scheduler import repair
from remediate.state.journal import Journal
from tests.support.probe.observations import look_at
from tests.support.remediate.folder_hosts import (
    CONCURRENCY,
    DAY,
    NOW,
    Ca,
    FolderHost,
    changed,
    pems_of,
    plant,
    run_context,
)
from tests.support.x509.ca import Leaf, PrivateKey, new_key, new_rsa_key

NEW_KEYS: dict[str, Callable[[], PrivateKey]] = {"rsa-2048": lambda: new_rsa_key(2048), "ecdsa-p256": new_key}
KINDS = {"rsa-2048": rsa.RSAPublicKey, "ecdsa-p256": ec.EllipticCurvePublicKey}
REPAIRED = pytest.mark.parametrize("repaired", NEW_KEYS)


def prepared(host: FolderHost, repaired: str) -> str:
    """Let the service serve an expired certificate and, with a key of the other type, a good one: return its digest."""
    (other,) = NEW_KEYS.keys() - {repaired}
    name = host.endpoint.name
    plant(host.folder, name, private_key=NEW_KEYS[repaired]())
    certificates, key = pems_of(Leaf(name, (name,), NOW - DAY, 60 * DAY), NEW_KEYS[other]())
    (host.folder / "beside").write_text(certificates + key)
    return digest(certificates)


def digest(pem: str) -> str:
    """Return the SHA-256 of the first certificate of a PEM text."""
    return sha256(x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)).hexdigest()


def run_for(host: FolderHost, journal: Journal, repaired: str, *, takes_up: bool = True) -> RunContext:
    """Return the context of a run that makes keys of the repaired type."""
    installers = {host.service: host.installer(takes_up=takes_up)}
    return run_context(journal, Ca(), host, installers=installers, key_type=repaired)


def seen(host: FolderHost) -> dict[str, x509.Certificate]:
    """Return every leaf that an observation of the service finds, by digest."""
    ders = (handshake.chain_der[0] for handshake in look_at(f"tls://127.0.0.1:{host.port}").every_handshake)
    return {sha256(der).hexdigest(): x509.load_der_x509_certificate(der) for der in ders}


@REPAIRED
def test_new_certificate_is_verified_and_the_other_key_type_is_kept(
    host: FolderHost, journal: Journal, repaired: str
) -> None:
    beside = prepared(host, repaired)
    assert seen(host).keys() == {beside, digest((host.folder / "tls.crt").read_text())}
    (ending,) = repair([host.case()], run_for(host, journal, repaired), CONCURRENCY)
    assert ending.ended_as == "proven", ending
    installed = digest((host.folder / "tls.crt").read_text())
    served = seen(host)
    assert served.keys() == {beside, installed}
    assert isinstance(served[installed].public_key(), KINDS[repaired])


@REPAIRED
def test_good_certificate_of_the_other_key_type_verifies_nothing(
    host: FolderHost, journal: Journal, repaired: str
) -> None:
    beside, old = prepared(host, repaired), (host.folder / "tls.crt").read_text()
    (ending,) = repair([host.case()], run_for(host, journal, repaired, takes_up=False), CONCURRENCY)
    assert (ending.ended_as, ending.cause) == ("failed", "proof.failed"), ending
    assert "127.0.0.1 serves another leaf" in ending.note
    assert (host.folder / "tls.crt").read_text() == old
    assert seen(host).keys() == {beside, digest(old)}


@REPAIRED
def test_rejected_certificate_is_not_verified_by_the_other_key_type(
    host: FolderHost, journal: Journal, repaired: str, tmp_path: Path
) -> None:
    prepared(host, repaired)
    loads = f"cd {host.folder} && openssl x509 -in tls.crt >served.new && cat tls.key >>served.new"
    without_chain = replace(host.installer(), reload_command=f"{loads} && mv served.new served")
    run = run_for(host, journal, repaired)
    run = changed(run, installers={host.service: without_chain})
    (ending,) = repair([host.case()], run, CONCURRENCY)
    assert (ending.ended_as, "no path leads to a trust anchor" in ending.note) == ("failed", True), ending
    assert list((tmp_path / "sslaudit").rglob("rejected.*"))
