"""Signed certificate timestamps: reading lists of them, and verifying what logs signed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from audit.x509.raw import POISON, SCTS
from audit.x509.transparency.sct import Sct, SctOrigin, read_scts
from audit.x509.transparency.signed_entry import is_of_log, signed_octets, tbs_without
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, ROOT, certificate
from tests.support.x509.certificates import DAY, NOW, Draft, rsa_key
from tests.support.x509.ct_logs import (
    ARGON,
    NESSIE,
    RSA_LOG,
    Log,
    as_extension,
    listed,
    log_list,
    logged,
    of_certificate,
    prefixed,
)

LOGS = log_list(ARGON, NESSIE, RSA_LOG).logs
ISSUER = certificate(INTERMEDIATE).raw.spki
LONG = replace(GOOD, names=tuple(f"www{number}.example.com" for number in range(100)))
OF_RSA = GOOD.with_key(rsa_key(2048))
DELIVERED = ARGON.sct(of_certificate(GOOD.der))


def embedded(draft: Draft) -> tuple[Sct, ...]:
    return read_scts(certificate(draft).raw.sct_list, SctOrigin.CERTIFICATE).scts


def delivered(octets: bytes) -> Sct:
    (sct,) = read_scts(listed(octets), SctOrigin.TLS).scts
    return sct


def verifies(sct: Sct, draft: Draft, issuer_spki: bytes = ISSUER, log: Log = ARGON) -> bool:
    return is_of_log(sct, LOGS[log.log_id], draft.der, issuer_spki)


@pytest.mark.parametrize("draft", [GOOD, LONG, OF_RSA, GOOD.without_key_ids()], ids=["good", "long", "rsa", "no ids"])
@pytest.mark.parametrize("log", [ARGON, RSA_LOG], ids=["ec", "rsa"])
def test_embedded_sct_verifies_over_the_precertificate(draft: Draft, log: Log) -> None:
    signed = logged(draft, log)
    (sct,) = embedded(signed)
    assert verifies(sct, signed, log=log)
    assert sct.is_before(NOW)


def test_precertificate_is_the_certificate_without_its_scts() -> None:
    signed = logged(GOOD, ARGON, NESSIE)
    expected = x509.load_der_x509_certificate(signed.der).tbs_precertificate_bytes
    assert tbs_without(signed.der, SCTS) == expected


def test_precertificate_without_its_poison_is_the_same() -> None:
    draft = replace(GOOD, serial=7)
    poisoned = replace(draft, extra=(x509.UnrecognizedExtension(x509.ObjectIdentifier(POISON), b"\5\0"),))
    plain = x509.load_der_x509_certificate(draft.der).tbs_certificate_bytes
    assert tbs_without(poisoned.der, POISON) == plain


def test_extensions_are_left_out_if_none_remains() -> None:
    bare = (
        x509.CertificateBuilder(x509.Name([]), x509.Name([]), GOOD.private_key.public_key(), 1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
    )
    only = bare.add_extension(as_extension(listed(b"")), critical=False)
    key = GOOD.private_key
    plain, with_scts = (builder.sign(key, SHA256()) for builder in (bare, only))
    without = tbs_without(with_scts.public_bytes(Encoding.DER), SCTS)
    assert without == plain.tbs_certificate_bytes


def test_sct_of_the_handshake_verifies_over_the_certificate() -> None:
    assert verifies(delivered(DELIVERED), GOOD)
    assert not verifies(replace(delivered(DELIVERED), origin=SctOrigin.CERTIFICATE), GOOD)


def test_extensions_of_an_sct_are_signed() -> None:
    octets = ARGON.sct(of_certificate(GOOD.der), extensions=b"\0\0\5index")
    assert verifies(delivered(octets), GOOD)
    assert not verifies(replace(delivered(octets), extensions=b""), GOOD)


@pytest.mark.parametrize(
    "changes",
    [
        {"milliseconds": 1},
        {"signature": b""},
        {"signature": bytes(70)},
        {"algorithm": (4, 1)},
        {"algorithm": (6, 3)},
        {"log_id": NESSIE.log_id},
    ],
)
def test_changed_sct_does_not_verify(changes: dict[str, object]) -> None:
    sct = replace(delivered(DELIVERED), **changes)  # type: ignore[arg-type]  # any field
    assert not is_of_log(sct, LOGS[sct.log_id], GOOD.der, ISSUER)


def test_sct_does_not_verify_for_another_certificate_or_issuer() -> None:
    signed = logged(GOOD, ARGON)
    (sct,) = embedded(signed)
    assert not verifies(sct, logged(GOOD.named("other.example.com"), ARGON))
    assert not verifies(sct, signed, certificate(ROOT).raw.spki)


def test_entries_that_browsers_ignore_are_named() -> None:
    other_version, cut = b"\1" + DELIVERED[1:], DELIVERED[:-1]
    read = read_scts(listed(other_version, DELIVERED, cut, b"", DELIVERED + b"\0"), SctOrigin.OCSP)
    assert [sct.log_id for sct in read.scts] == [ARGON.log_id]
    assert read.ignored == (
        "an SCT of version 2 in the stapled OCSP response; browsers accept version 1",
        "an SCT in the stapled OCSP response cannot be read",
        "an SCT without a byte in the stapled OCSP response; browsers accept version 1",
        "an SCT in the stapled OCSP response cannot be read",
    )


@pytest.mark.parametrize("octets", [b"\0", b"\0\5\0", prefixed(b"\0\1"), prefixed(b"") + b"\0\0"])
def test_malformed_list_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match="list of signed certificate timestamps"):
        read_scts(octets, SctOrigin.TLS)


def test_no_list_has_no_scts() -> None:
    assert read_scts(b"", SctOrigin.TLS).scts == ()


def test_timestamp_beyond_every_date_is_in_the_future() -> None:
    assert not replace(delivered(DELIVERED), milliseconds=2**64 - 1).is_before(NOW)


def test_signed_octets_begin_with_version_type_time_and_entry() -> None:
    octets = signed_octets(delivered(DELIVERED), GOOD.der, ISSUER)
    assert octets == b"\0\0" + DELIVERED[33:41] + of_certificate(GOOD.der) + b"\0\0"
