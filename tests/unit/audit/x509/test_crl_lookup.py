"""Tests of the status of a certificate by a CRL: date, reason, and the lookup by serial number."""

from __future__ import annotations

import pytest
from cryptography import x509

from audit.x509.revocation.basis import SourceStatus
from audit.x509.revocation.crl import RevocationList, indexed, read_crl
from tests.support.x509.certificates import DAY, NOW
from tests.support.x509.crls import Entry, crl
from tests.support.x509.ocsp_responses import ASKED, CA, CRL_URL
from tests.support.x509.paths import member, new_leaf
from tests.unit.audit.x509.test_revocation_status import status_by_crls


def test_current_crl_without_the_certificate_gives_good() -> None:
    assert status_by_crls(crl(CA)) == SourceStatus("good", f"the CRL {CRL_URL}")


@pytest.mark.parametrize(
    "reason", [reason for reason in x509.ReasonFlags if reason is not x509.ReasonFlags.unspecified]
)
def test_crl_with_the_certificate_gives_date_and_reason(reason: x509.ReasonFlags) -> None:
    entry = Entry(ASKED.number, ((x509.CRLReason(reason), False),))
    status = status_by_crls(crl(CA, entry))
    assert (status.word, status.reason, status.since) == ("revoked", reason, NOW - 2 * DAY)
    assert status.is_for_its_key is (reason is x509.ReasonFlags.key_compromise)


def test_serial_number_lookup_agrees_with_the_library() -> None:
    leaves = [new_leaf(CA) for _ in range(40)]
    crl_of_some = read_crl(crl(CA, *leaves[:20]))
    assert isinstance(crl_of_some, RevocationList)
    quick = indexed(crl_of_some)
    assert quick is indexed(crl_of_some)
    for certificate in map(member, leaves):
        slow = crl_of_some.entry_of(certificate)
        fast = quick.entry_of(certificate)
        assert (slow and slow.serial_number) == (fast and fast.serial_number)
    assert [entry.serial_number for entry in quick.parsed] == [leaf.number for leaf in leaves[:20]]
    assert quick.parsed.issuer == crl_of_some.parsed.issuer
