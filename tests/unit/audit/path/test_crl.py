"""CRLs (RFC 5280 5 and 6.3): whom a list tells of, whether it may be used, and what follows where none may."""

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


def asked(*crls: bytes, leaf: Made = LEAF, pool: tuple[Made, ...] = (CA,)) -> set[str]:
    return clauses(validated(leaf, *pool, crls=crls, roots=[ROOT]))


def test_without_crls_revocation_is_not_asked() -> None:
    assert asked() == set()


def test_a_list_in_force_that_does_not_name_the_leaf_shows_it_good() -> None:
    assert asked(crl(CA, Entry(4711))) == set()


def test_a_listed_leaf_is_revoked() -> None:
    found = validated(LEAF, CA, crls=[crl(CA, Entry(4711), LEAF)])
    assert [str(one) for one in found.violations] == ["leaf: it was revoked 2026-11-21 10:00 (RFC 5280 6.1.3 a 3)"]


@pytest.mark.parametrize("reason", sorted(REASONS, key=str))
def test_every_reason_revokes_a_hold_too(reason: x509.ReasonFlags) -> None:
    found = validated(LEAF, CA, crls=[crl(CA, Entry(LEAF.number, ((x509.CRLReason(reason), False),)))])
    assert clauses(found) == {REVOKED}
    assert reason.value in found.violations[0].reason


def test_only_a_delta_takes_a_certificate_from_the_list() -> None:
    removed = Entry(LEAF.number, ((x509.CRLReason(x509.ReasonFlags.remove_from_crl), False),))
    assert asked(crl(CA, removed)) == {REVOKED}
    assert REVOKED not in asked(crl(CA, removed, extensions=[(x509.DeltaCRLIndicator(6), True)]))


def test_a_listed_intermediate_is_revoked() -> None:
    found = validated(LEAF, CA, crls=[crl(CA), crl(ROOT, CA)])
    assert clauses(found) == {REVOKED}
    assert found.violations[0].place == "intermediate 1 (CN=Path CA)"
    assert asked(crl(CA), crl(ROOT)) == set()


def test_another_path_is_taken_around_a_revoked_intermediate() -> None:
    again = replace(CA, serial=77)
    found = validated(LEAF, CA, again, crls=[crl(CA), crl(ROOT, CA)])
    assert found.path == (LEAF.der, again.der, ROOT.der)


def test_the_same_serial_number_of_another_issuer_is_another_certificate() -> None:
    stranger = new_root("CN=Stranger")
    assert asked(crl(CA), crl(stranger, Entry(LEAF.number))) == set()


def test_a_list_of_another_issuer_does_not_show_the_leaf_good() -> None:
    assert asked(crl(new_root("CN=Stranger"))) == {UNDETERMINED}
    assert asked(crl(ROOT)) == {UNDETERMINED}


def test_an_unreadable_list_does_not_show_the_leaf_good() -> None:
    assert asked(b"garbage") == {UNDETERMINED}
    assert asked(crl(CA)[:-1]) == {UNDETERMINED}
    assert asked(b"", crl(CA)) == set()


def test_a_list_that_another_key_signed_counts_for_nothing() -> None:
    forged = crl(CA, key=key_named("another"))
    assert asked(forged) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    assert REVOKED not in asked(crl(CA, LEAF, key=key_named("another")), crl(CA))
    assert asked(crl(CA, LEAF, key=key_named("another")), crl(CA)) == set()


def test_a_ca_whose_key_usage_leaves_crls_out_signs_none() -> None:
    ca = CA.having(usage("key_cert_sign"), critical=True)
    assert asked(crl(ca), pool=(ca,)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}


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
def test_a_list_that_may_not_be_used_shows_nothing_good(content: bytes, clause: str) -> None:
    assert asked(content) == {UNDETERMINED, clause}
    assert asked(content, crl(CA)) == set()


def test_a_list_without_a_next_update_is_never_in_force() -> None:
    fields = [one.whole for one in elements(elements(elements(crl(CA))[0].content)[0].content)]
    del fields[4]
    assert asked(signed(fields, crl(CA), CA.private_key)) == {UNDETERMINED, "RFC 5280 5.1.2.5"}


def test_a_list_that_names_another_algorithm_within_is_refused() -> None:
    fields = [one.whole for one in elements(elements(elements(crl(CA))[0].content)[0].content)]
    fields[1] = bytes.fromhex("300a06082a8648ce3d040303")
    found = asked(signed(fields, crl(CA), CA.private_key))
    assert UNDETERMINED in found


def test_being_listed_counts_in_a_list_that_is_out_of_date() -> None:
    assert asked(crl(CA, LEAF, this_update=NOW - 9 * DAY)) == {REVOKED}
    assert asked(crl(CA, LEAF, this_update=NOW - 9 * DAY), crl(CA)) == {REVOKED}


def test_a_list_of_the_future_revokes_nothing_yet() -> None:
    later = crl(CA, Entry(LEAF.number, at=NOW + DAY), this_update=NOW + DAY)
    assert asked(later, crl(CA)) == set()


def test_both_ends_of_the_time_of_a_list_count() -> None:
    content = crl(CA, this_update=NOW - DAY, life=DAY)
    assert asked(content) == set()
    assert not validated(LEAF, CA, crls=[content], at=NOW + DAY).ok


def test_a_shard_is_for_the_certificates_that_point_to_it() -> None:
    assert asked(crl(CA, extensions=[issuing_point(URL)]), leaf=SHARD) == set()
    assert asked(crl(CA, extensions=[issuing_point(OTHER_URL, URL)]), leaf=SHARD) == set()
    assert asked(crl(CA, SHARD, extensions=[issuing_point(URL)]), leaf=SHARD) == {REVOKED}


def test_another_shard_shows_nothing_good() -> None:
    assert asked(crl(CA, extensions=[issuing_point(OTHER_URL)]), leaf=SHARD) == {UNDETERMINED}
    assert asked(crl(CA, extensions=[issuing_point(URL)])) == {UNDETERMINED}
    both = [crl(CA, extensions=[issuing_point(url)]) for url in (OTHER_URL, URL)]
    assert asked(*both, leaf=SHARD) == set()


def test_a_whole_list_is_for_certificates_that_point_to_a_shard_too() -> None:
    assert asked(crl(CA), leaf=SHARD) == set()


def test_being_listed_counts_in_another_shard() -> None:
    assert asked(crl(CA, SHARD, extensions=[issuing_point(OTHER_URL)]), leaf=SHARD) == {REVOKED}


def test_a_point_may_be_named_relative_to_the_issuer() -> None:
    part = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "shard")])
    named = LEAF.having(x509.CRLDistributionPoints([x509.DistributionPoint(None, part, None, None)]))
    own = crl(CA, extensions=[issuing_point(relative_name=part)])
    assert asked(own, leaf=named) == set()
    full = LEAF.having(
        x509.CRLDistributionPoints([x509.DistributionPoint([directory("OU=shard,CN=Path CA")], None, None, None)])
    )
    assert asked(own, leaf=full) == set()
    assert asked(own, leaf=SHARD) == {UNDETERMINED}


def test_a_list_of_the_issuers_own_name_is_for_every_certificate_of_its() -> None:
    named = issuing_point(full_name=[directory("CN=Path CA")])
    assert asked(crl(CA, extensions=[named])) == set()


@pytest.mark.parametrize("limit", ["only_contains_ca_certs", "only_contains_attribute_certs"])
def test_a_list_of_other_kinds_of_certificates_shows_no_leaf_good(limit: str) -> None:
    assert asked(crl(CA, extensions=[issuing_point(**{limit: True})])) == {UNDETERMINED}


def test_a_list_of_user_certificates_tells_of_leaves_and_not_of_cas() -> None:
    users, cas = (issuing_point(**{limit: True}) for limit in ("only_contains_user_certs", "only_contains_ca_certs"))
    assert asked(crl(CA, extensions=[users])) == set()
    assert asked(crl(CA), crl(ROOT, extensions=[cas])) == set()
    assert asked(crl(CA), crl(ROOT, CA, extensions=[cas])) == {REVOKED}
    assert asked(crl(CA), crl(ROOT, extensions=[users])) == set()


def test_an_intermediate_whose_list_may_not_be_used_is_refused() -> None:
    assert asked(crl(CA), crl(ROOT, this_update=NOW - 9 * DAY)) == {UNDETERMINED, "RFC 5280 5.1.2.5"}


def test_lists_for_some_reasons_tell_together() -> None:
    some = frozenset({x509.ReasonFlags.key_compromise})
    first = crl(CA, extensions=[issuing_point(only_some_reasons=some)])
    second = crl(CA, extensions=[issuing_point(only_some_reasons=REASONS - some)])
    assert asked(first) == {UNDETERMINED}
    assert asked(second) == {UNDETERMINED}
    assert asked(first, second) == set()
    assert asked(first, crl(CA, LEAF, extensions=[issuing_point(only_some_reasons=REASONS - some)])) == {REVOKED}


def test_a_point_for_some_reasons_limits_what_its_list_tells() -> None:
    leaf = LEAF.having(pointing(URL, reasons=[x509.ReasonFlags.key_compromise]))
    assert asked(crl(CA, extensions=[issuing_point(URL)]), leaf=leaf) == {UNDETERMINED}
    assert asked(crl(CA), leaf=leaf) == set()


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


def test_an_indirect_list_tells_of_certificates_that_name_its_issuer() -> None:
    assert asked(indirect(), leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == set()
    listed = indirect(Entry(1), Entry(INDIRECT.number, (OF_CA,)))
    assert asked(listed, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == {REVOKED}


def test_in_an_indirect_list_an_issuer_goes_on_until_the_next() -> None:
    after = indirect(Entry(1, (OF_CA,)), Entry(INDIRECT.number))
    assert asked(after, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == {REVOKED}
    other = (x509.CertificateIssuer([directory("CN=Somebody")]), True)
    again = indirect(Entry(1, (OF_CA,)), Entry(2, (other,)), Entry(INDIRECT.number))
    assert asked(again, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == set()
    assert asked(indirect(Entry(INDIRECT.number)), leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == set()


def test_an_indirect_list_tells_of_nothing_that_does_not_name_its_issuer() -> None:
    assert asked(indirect(), leaf=LEAF, pool=(CA, CRL_ISSUER)) == {UNDETERMINED}
    assert asked(indirect(), leaf=SHARD, pool=(CA, CRL_ISSUER)) == {UNDETERMINED}


def test_a_list_that_is_not_marked_as_indirect_is_none() -> None:
    plain = crl(CRL_ISSUER, extensions=[issuing_point(URL)])
    assert asked(plain, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == {UNDETERMINED}


def test_the_issuer_of_an_indirect_list_is_certified_by_a_ca_of_the_path() -> None:
    stranger = replace(CRL_ISSUER, issuer=None)
    assert asked(indirect(), leaf=INDIRECT, pool=(CA, stranger)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    assert asked(indirect(), leaf=INDIRECT, pool=(CA,)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    late = replace(CRL_ISSUER, end=NOW - DAY)
    assert asked(indirect(), leaf=INDIRECT, pool=(CA, late)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    assert "RFC 5280 6.3.3 f" in asked(indirect(key="another"), leaf=INDIRECT, pool=(CA, CRL_ISSUER))


def test_the_issuer_of_an_indirect_list_is_in_force_to_the_second_both_ends_included() -> None:
    second = timedelta(seconds=1)
    for signer in (replace(CRL_ISSUER, start=NOW), replace(CRL_ISSUER, end=NOW)):
        assert asked(indirect(), leaf=INDIRECT, pool=(CA, signer)) == set()
    for signer in (replace(CRL_ISSUER, start=NOW + second), replace(CRL_ISSUER, end=NOW - second)):
        assert asked(indirect(), leaf=INDIRECT, pool=(CA, signer)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}


def test_eight_namesakes_are_asked_whether_they_signed_a_list() -> None:
    namesakes = [replace(CRL_ISSUER, key=key_named(f"namesake {number}")) for number in range(8)]
    assert asked(indirect(), leaf=INDIRECT, pool=(CA, *namesakes[:7], CRL_ISSUER)) == set()
    found = asked(indirect(), leaf=INDIRECT, pool=(CA, *namesakes, CRL_ISSUER))
    assert found == {UNDETERMINED, "RFC 5280 6.3.3 f"}


def test_a_revoked_issuer_of_an_indirect_list_signs_none() -> None:
    lists = indirect(), crl(ROOT, CRL_ISSUER)
    assert asked(*lists, leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == {UNDETERMINED, "RFC 5280 6.3.3 f"}
    assert asked(indirect(), crl(ROOT), leaf=INDIRECT, pool=(CA, CRL_ISSUER)) == set()


def test_a_ca_may_have_another_key_for_its_lists() -> None:
    signer = rekeyed(new_ca(ROOT), key_named("lists")).having(usage("crl_sign"), critical=True)
    assert asked(crl(signer), pool=(CA, signer)) == set()
    assert asked(crl(signer, LEAF), pool=(CA, signer)) == {REVOKED}


def test_an_rsa_ca_signs_lists_too() -> None:
    ca = rekeyed(CA, rsa_key(2048))
    leaf = new_leaf(ca)
    assert asked(crl(ca), leaf=leaf, pool=(ca,)) == set()
    assert asked(crl(ca, leaf), leaf=leaf, pool=(ca,)) == {REVOKED}


def test_an_entry_that_cannot_be_read_refuses_its_certificate() -> None:
    leaf = replace(LEAF, serial=0x4711)
    reason = tlv(0x30, b"\x06\x03\x55\x1d\x15", tlv(4, b"\x05\x00"))  # cRLReason that is NULL
    entry = tlv(0x30, tlv(2, b"\x47\x11"), tlv(0x17, b"261101000000Z"), tlv(0x30, reason))
    fields = [one.whole for one in elements(elements(elements(crl(CA, LEAF))[0].content)[0].content)]
    fields[5] = tlv(0x30, entry)
    content = signed(fields, crl(CA), CA.private_key)
    assert asked(content, leaf=leaf) == {"RFC 5280 5.3"}
    assert asked(content) == set()


def test_a_long_list_takes_no_time() -> None:
    content = crl(CA, *(Entry(number) for number in range(1, 20_000)))
    assert asked(content) == set()
