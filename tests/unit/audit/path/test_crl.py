"""Tests of CRLs (RFC 5280 5 and 6.3): which certificates a CRL covers, and when it may be used."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from audit.x509.der import elements
from tests.support.x509.certificates import DAY, NOW, key_named, rsa_key
from tests.support.x509.crls import Entry, crl, issuing_point, pointing
from tests.support.x509.paths import (
    Made,
    clauses,
    directory,
    new_ca,
    new_leaf,
    new_root,
    rekeyed,
    signed,
    tlv,
    usage,
    validated,
)

ROOT = new_root()
CA = new_ca(ROOT)
LEAF = new_leaf(CA)
URL, OTHER_URL = "http://crl.example/7.crl", "http://crl.example/8.crl"
SHARD = LEAF.having(pointing(URL))
REVOKED, UNDETERMINED = "RFC 5280 6.1.3 a 3", "RFC 5280 6.3.3"
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
REASONS = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}


def violated(*crls: bytes, leaf: Made = LEAF, pool: tuple[Made, ...] = (CA,)) -> set[str]:
    return clauses(validated(leaf, *pool, crls=crls, roots=[ROOT]))


def test_path_without_crls_is_valid() -> None:
    assert violated() == set()


def test_current_crl_without_the_leaf_shows_it_good() -> None:
    assert violated(crl(CA, Entry(4711))) == set()


def test_listed_leaf_is_revoked() -> None:
    found = validated(LEAF, CA, crls=[crl(CA, Entry(4711), LEAF)])
    assert [str(violation) for violation in found.violations] == [
        "leaf: it was revoked 2026-11-21 10:00 (RFC 5280 6.1.3 a 3)"
    ]


@pytest.mark.parametrize("reason", sorted(REASONS, key=str))
def test_each_reason_including_hold_revokes(reason: x509.ReasonFlags) -> None:
    found = validated(LEAF, CA, crls=[crl(CA, Entry(LEAF.number, ((x509.CRLReason(reason), False),)))])
    assert clauses(found) == {REVOKED}
    assert reason.value in found.violations[0].reason


def test_remove_from_crl_applies_in_a_delta_crl_only() -> None:
    removed = Entry(LEAF.number, ((x509.CRLReason(x509.ReasonFlags.remove_from_crl), False),))
    assert violated(crl(CA, removed)) == {REVOKED}
    assert REVOKED not in violated(crl(CA, removed, extensions=[(x509.DeltaCRLIndicator(6), True)]))


def test_listed_intermediate_is_revoked() -> None:
    found = validated(LEAF, CA, crls=[crl(CA), crl(ROOT, CA)])
    assert clauses(found) == {REVOKED}
    assert found.violations[0].place == "intermediate 1 (CN=Path CA)"
    assert violated(crl(CA), crl(ROOT)) == set()


def test_path_without_the_revoked_intermediate_is_found() -> None:
    again = replace(CA, serial=77)
    found = validated(LEAF, CA, again, crls=[crl(CA), crl(ROOT, CA)])
    assert found.path == (LEAF.der, again.der, ROOT.der)


def test_crl_of_another_issuer_with_the_same_serial_number_is_ignored() -> None:
    other = new_root("CN=Other")
    assert violated(crl(CA), crl(other, Entry(LEAF.number))) == set()


def test_crl_of_another_issuer_does_not_show_the_leaf_good() -> None:
    assert violated(crl(new_root("CN=Other"))) == {UNDETERMINED}
    assert violated(crl(ROOT)) == {UNDETERMINED}


def test_unreadable_crl_does_not_show_the_leaf_good() -> None:
    assert violated(b"garbage") == {UNDETERMINED}
    assert violated(crl(CA)[:-1]) == {UNDETERMINED}
    assert violated(b"", crl(CA)) == set()


def test_crl_signed_with_another_key_is_ignored() -> None:
    forged = crl(CA, key=key_named("another"))
    assert violated(forged) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    assert REVOKED not in violated(crl(CA, LEAF, key=key_named("another")), crl(CA))
    assert violated(crl(CA, LEAF, key=key_named("another")), crl(CA)) == set()


def test_crl_of_a_ca_without_crl_sign_usage_is_refused() -> None:
    ca = CA.having(usage("key_cert_sign"), critical=True)
    assert violated(crl(ca), pool=(ca,)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}


UNUSABLE = {
    "expired": (crl(CA, this_update=NOW - 9 * DAY), "RFC 5280 5.1.2.5"),
    "not yet in force": (crl(CA, this_update=NOW + DAY), "RFC 5280 5.1.2.4"),
    "without number": (crl(CA, omit=(x509.CRLNumber,)), "RFC 5280 5.2.3"),
    "with a critical number": (
        crl(CA, omit=(x509.CRLNumber,), extensions=[(x509.CRLNumber(7), True)]),
        "RFC 5280 5.2.3",
    ),
    "without authorityKeyIdentifier": (crl(CA, omit=(x509.AuthorityKeyIdentifier,)), "RFC 5280 5.2.1"),
    "with an unknown critical extension": (crl(CA, extensions=[(UNKNOWN, True)]), "RFC 5280 5.2"),
    "with an unknown critical extension of an entry": (
        crl(CA, Entry(1), Entry(2, ((UNKNOWN, True),))),
        "RFC 5280 5.3",
    ),
    "delta": (crl(CA, extensions=[(x509.DeltaCRLIndicator(6), True)]), "RFC 5280 5.2.4"),
    "with SHA-224": (crl(CA, digest=hashes.SHA224()), "BR 7.1.3.2"),
    "with an uncritical issuingDistributionPoint": (
        crl(CA, extensions=[(issuing_point(only_contains_user_certs=True)[0], False)]),
        "RFC 5280 5.2.5",
    ),
}


@pytest.mark.parametrize(("content", "clause"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable_crl_does_not_show_the_leaf_good(content: bytes, clause: str) -> None:
    assert violated(content) == {UNDETERMINED, clause}
    assert violated(content, crl(CA)) == set()


def test_crl_without_next_update_is_refused() -> None:
    fields = [element.encoding for element in elements(elements(elements(crl(CA))[0].content)[0].content)]
    del fields[4]
    assert violated(signed(fields, crl(CA), CA.private_key)) == {UNDETERMINED, "RFC 5280 5.1.2.5"}


def test_crl_with_another_inner_algorithm_is_refused() -> None:
    fields = [element.encoding for element in elements(elements(elements(crl(CA))[0].content)[0].content)]
    fields[1] = bytes.fromhex("300a06082a8648ce3d040303")
    found = violated(signed(fields, crl(CA), CA.private_key))
    assert UNDETERMINED in found


def test_expired_crl_still_revokes() -> None:
    assert violated(crl(CA, LEAF, this_update=NOW - 9 * DAY)) == {REVOKED}
    assert violated(crl(CA, LEAF, this_update=NOW - 9 * DAY), crl(CA)) == {REVOKED}


def test_future_crl_does_not_revoke() -> None:
    later = crl(CA, Entry(LEAF.number, at=NOW + DAY), this_update=NOW + DAY)
    assert violated(later, crl(CA)) == set()


def test_crl_is_valid_at_both_ends_of_its_period() -> None:
    content = crl(CA, this_update=NOW - DAY, life=DAY)
    assert violated(content) == set()
    assert not validated(LEAF, CA, crls=[content], at=NOW + DAY).ok


def test_sharded_crl_covers_certificates_that_point_to_it() -> None:
    assert violated(crl(CA, extensions=[issuing_point(URL)]), leaf=SHARD) == set()
    assert violated(crl(CA, extensions=[issuing_point(OTHER_URL, URL)]), leaf=SHARD) == set()
    assert violated(crl(CA, SHARD, extensions=[issuing_point(URL)]), leaf=SHARD) == {REVOKED}


def test_other_shard_does_not_show_the_leaf_good() -> None:
    assert violated(crl(CA, extensions=[issuing_point(OTHER_URL)]), leaf=SHARD) == {UNDETERMINED}
    assert violated(crl(CA, extensions=[issuing_point(URL)])) == {UNDETERMINED}
    both = [crl(CA, extensions=[issuing_point(url)]) for url in (OTHER_URL, URL)]
    assert violated(*both, leaf=SHARD) == set()


def test_full_crl_covers_certificates_that_point_to_a_shard() -> None:
    assert violated(crl(CA), leaf=SHARD) == set()


def test_entry_in_another_shard_revokes() -> None:
    assert violated(crl(CA, SHARD, extensions=[issuing_point(OTHER_URL)]), leaf=SHARD) == {REVOKED}


def test_distribution_point_may_be_named_relative_to_the_issuer() -> None:
    part = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "shard")])
    named = LEAF.having(x509.CRLDistributionPoints([x509.DistributionPoint(None, part, None, None)]))
    own = crl(CA, extensions=[issuing_point(relative_name=part)])
    assert violated(own, leaf=named) == set()
    full = LEAF.having(
        x509.CRLDistributionPoints([x509.DistributionPoint([directory("OU=shard,CN=Path CA")], None, None, None)])
    )
    assert violated(own, leaf=full) == set()
    assert violated(own, leaf=SHARD) == {UNDETERMINED}


def test_crl_with_the_name_of_the_issuer_covers_all_its_certificates() -> None:
    named = issuing_point(full_name=[directory("CN=Path CA")])
    assert violated(crl(CA, extensions=[named])) == set()


@pytest.mark.parametrize("limit", ["only_contains_ca_certs", "only_contains_attribute_certs"])
def test_crl_for_other_kinds_of_certificates_does_not_show_a_leaf_good(limit: str) -> None:
    assert violated(crl(CA, extensions=[issuing_point(**{limit: True})])) == {UNDETERMINED}


def test_crl_of_user_certificates_covers_leaves_only() -> None:
    users, cas = (issuing_point(**{limit: True}) for limit in ("only_contains_user_certs", "only_contains_ca_certs"))
    assert violated(crl(CA, extensions=[users])) == set()
    assert violated(crl(CA), crl(ROOT, extensions=[cas])) == set()
    assert violated(crl(CA), crl(ROOT, CA, extensions=[cas])) == {REVOKED}
    assert violated(crl(CA), crl(ROOT, extensions=[users])) == set()


def test_intermediate_with_an_unusable_crl_is_refused() -> None:
    assert violated(crl(CA), crl(ROOT, this_update=NOW - 9 * DAY)) == {UNDETERMINED, "RFC 5280 5.1.2.5"}


def test_crls_for_some_reasons_together_show_the_leaf_good() -> None:
    some = frozenset({x509.ReasonFlags.key_compromise})
    first = crl(CA, extensions=[issuing_point(only_some_reasons=some)])
    second = crl(CA, extensions=[issuing_point(only_some_reasons=REASONS - some)])
    assert violated(first) == {UNDETERMINED}
    assert violated(second) == {UNDETERMINED}
    assert violated(first, second) == set()
    assert violated(first, crl(CA, LEAF, extensions=[issuing_point(only_some_reasons=REASONS - some)])) == {REVOKED}


def test_distribution_point_for_some_reasons_limits_its_crl() -> None:
    leaf = LEAF.having(pointing(URL, reasons=[x509.ReasonFlags.key_compromise]))
    assert violated(crl(CA, extensions=[issuing_point(URL)]), leaf=leaf) == {UNDETERMINED}
    assert violated(crl(CA), leaf=leaf) == set()


CRL_ISSUER = new_ca(ROOT, "CN=CRL Issuer").having(usage("crl_sign"), critical=True)
INDIRECT = LEAF.having(pointing(URL, issuer="CN=CRL Issuer"))
OF_CA = (x509.CertificateIssuer([directory("CN=Path CA")]), True)


def indirect(*entries: Entry, key: str | None = None) -> bytes:
    return crl(
        CRL_ISSUER,
        *entries,
        extensions=[issuing_point(URL, indirect_crl=True)],
        key=key_named(key) if key else None,
    )


def test_indirect_crl_covers_certificates_that_name_its_issuer() -> None:
    assert violated(indirect(), leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == set()
    listed = indirect(Entry(1), Entry(INDIRECT.number, (OF_CA,)))
    assert violated(listed, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == {REVOKED}


def test_certificate_issuer_applies_to_later_entries_of_indirect_crl() -> None:
    after = indirect(Entry(1, (OF_CA,)), Entry(INDIRECT.number))
    assert violated(after, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == {REVOKED}
    other = (x509.CertificateIssuer([directory("CN=Other")]), True)
    again = indirect(Entry(1, (OF_CA,)), Entry(2, (other,)), Entry(INDIRECT.number))
    assert violated(again, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == set()
    assert violated(indirect(Entry(INDIRECT.number)), leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == set()


def test_indirect_crl_covers_no_certificate_without_its_issuer() -> None:
    assert violated(indirect(), leaf=LEAF, pool=(CA, CRL_ISSUER)) == {UNDETERMINED}
    assert violated(indirect(), leaf=SHARD, pool=(CA, CRL_ISSUER)) == {UNDETERMINED}


def test_crl_of_another_issuer_without_the_indirect_flag_is_ignored() -> None:
    plain = crl(CRL_ISSUER, extensions=[issuing_point(URL)])
    assert violated(plain, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == {UNDETERMINED}


def test_issuer_of_an_indirect_crl_needs_a_certificate_of_the_path() -> None:
    uncertified = replace(CRL_ISSUER, issuer=None)
    assert violated(indirect(), leaf=INDIRECT, pool=(CA, uncertified)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    assert violated(indirect(), leaf=INDIRECT, pool=(CA,)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    late = replace(CRL_ISSUER, end=NOW - DAY)
    assert violated(indirect(), leaf=INDIRECT, pool=(CA, late)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    assert "RFC 5280 6.3.3 f" in violated(indirect(key="another"), leaf=INDIRECT, pool=(CA, CRL_ISSUER))


def test_issuer_of_an_indirect_crl_is_valid_at_both_ends_of_its_period() -> None:
    second = timedelta(seconds=1)
    for signer in (replace(CRL_ISSUER, start=NOW), replace(CRL_ISSUER, end=NOW)):
        assert violated(indirect(), leaf=INDIRECT, pool=(CA, signer)) == set()
    for signer in (replace(CRL_ISSUER, start=NOW + second), replace(CRL_ISSUER, end=NOW - second)):
        assert violated(indirect(), leaf=INDIRECT, pool=(CA, signer)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}


def test_at_most_eight_issuers_of_one_name_are_tried() -> None:
    namesakes = [replace(CRL_ISSUER, key=key_named(f"namesake {number}")) for number in range(8)]
    assert violated(indirect(), leaf=INDIRECT, pool=(CA, *namesakes[:7], CRL_ISSUER)) == set()
    found = violated(indirect(), leaf=INDIRECT, pool=(CA, *namesakes, CRL_ISSUER))
    assert found == {UNDETERMINED, "RFC 5280 6.3.3 f"}


def test_indirect_crl_of_a_revoked_issuer_is_refused() -> None:
    lists = indirect(), crl(ROOT, CRL_ISSUER)
    assert violated(*lists, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    assert violated(indirect(), crl(ROOT), leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == set()


def test_ca_may_sign_crls_with_another_key() -> None:
    signer = rekeyed(new_ca(ROOT), key_named("lists")).having(usage("crl_sign"), critical=True)
    assert violated(crl(signer), pool=(CA, signer)) == set()
    assert violated(crl(signer, LEAF), pool=(CA, signer)) == {REVOKED}


def test_crl_signed_with_rsa_is_used() -> None:
    ca = rekeyed(CA, rsa_key(2048))
    leaf = new_leaf(ca)
    assert violated(crl(ca), leaf=leaf, pool=(ca,)) == set()
    assert violated(crl(ca, leaf), leaf=leaf, pool=(ca,)) == {REVOKED}


def test_unreadable_entry_refuses_its_certificate() -> None:
    leaf = replace(LEAF, serial=0x4711)
    reason = tlv(0x30, b"\x06\x03\x55\x1d\x15", tlv(4, b"\x05\x00"))  # cRLReason that is NULL
    entry = tlv(0x30, tlv(2, b"\x47\x11"), tlv(0x17, b"261101000000Z"), tlv(0x30, reason))
    fields = [element.encoding for element in elements(elements(elements(crl(CA, LEAF))[0].content)[0].content)]
    fields[5] = tlv(0x30, entry)
    content = signed(fields, crl(CA), CA.private_key)
    assert violated(content, leaf=leaf) == {"RFC 5280 5.3"}
    assert violated(content) == set()


def test_long_crl_is_read_quickly() -> None:
    content = crl(CA, *(Entry(number) for number in range(1, 20_000)))
    assert violated(content) == set()
