"""Tests of CRLs (RFC 5280 5 and 6.3): which certificates a CRL covers, and when it may be used."""

from __future__ import annotations

from collections.abc import Mapping
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
REVOKED, UNDETERMINED = {"RFC 5280 6.1.3 a 3"}, {"RFC 5280 6.3.3"}
UNSIGNED = UNDETERMINED | {"RFC 5280 6.3.3 f"}
GOOD: set[str] = set()
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
REASONS = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}

Lists = tuple[bytes, ...]
Row = tuple[Lists, set[str]] | tuple[Lists, set[str], Made] | tuple[Lists, set[str], Made, tuple[Made, ...]]


def violated(*crls: bytes, leaf: Made = LEAF, pool: tuple[Made, ...] = (CA,)) -> set[str]:
    return clauses(validated(leaf, *pool, crls=crls, roots=[ROOT]))


def table(rows: Mapping[str, Row]) -> pytest.MarkDecorator:
    """Run a test for each row: CRLs, the clauses for which the path is refused, the leaf, and the pool."""
    full = [(row[0], row[1], *(row[2:3] or (LEAF,)), *(row[3:4] or ((CA,),))) for row in rows.values()]
    return pytest.mark.parametrize(("crls", "expected", "leaf", "pool"), full, ids=rows.keys())


def changed(**fields: bytes | None) -> bytes:
    """Return a CRL with some fields of its TBSCertList replaced or removed, such as `field4=None`."""
    old = [element.encoding for element in elements(elements(elements(crl(CA, LEAF))[0].content)[0].content)]
    new = [fields.get(f"field{number}", field) for number, field in enumerate(old)]
    return signed([field for field in new if field is not None], crl(CA), CA.private_key)


def entry(reason: x509.ReasonFlags, number: int = LEAF.number) -> Entry:
    return Entry(number, ((x509.CRLReason(reason), False),))


def shard(*urls: str, of: Made = CA, listed: tuple[Entry | Made, ...] = (), **limits: object) -> bytes:
    """Return a CRL with an issuingDistributionPoint."""
    return crl(of, *listed, extensions=[issuing_point(*urls, **limits)])


REMOVED = entry(x509.ReasonFlags.remove_from_crl)
ANOTHER = key_named("another")
NO_CRL_SIGN = CA.having(usage("key_cert_sign"), critical=True)
LATER = crl(CA, Entry(LEAF.number, at=NOW + DAY), this_update=NOW + DAY)
SIGNER = rekeyed(new_ca(ROOT), key_named("lists")).having(usage("crl_sign"), critical=True)
RSA_CA = rekeyed(CA, rsa_key(2048))
RSA_LEAF = new_leaf(RSA_CA)
NUMBERED = replace(LEAF, serial=0x4711)
NULL_REASON = tlv(0x30, b"\x06\x03\x55\x1d\x15", tlv(4, b"\x05\x00"))
UNREADABLE = changed(
    field5=tlv(0x30, tlv(0x30, tlv(2, b"\x47\x11"), tlv(0x17, b"261101000000Z"), tlv(0x30, NULL_REASON)))
)
LONG = crl(CA, *(Entry(number) for number in range(1, 20_000)))


@table({
    "no CRL": ((), GOOD),
    "not listed": ((crl(CA, Entry(4711)),), GOOD),
    "removed from a full CRL": ((crl(CA, REMOVED),), REVOKED),
    "intermediate listed": ((crl(CA), crl(ROOT, CA)), REVOKED),
    "intermediate not listed": ((crl(CA), crl(ROOT)), GOOD),
    "number of another issuer": ((crl(CA), crl(new_root("CN=Other"), Entry(LEAF.number))), GOOD),
    "another issuer alone": ((crl(new_root("CN=Other")),), UNDETERMINED),
    "issuer of the issuer alone": ((crl(ROOT),), UNDETERMINED),
    "garbage": ((b"garbage",), UNDETERMINED),
    "cut": ((crl(CA)[:-1],), UNDETERMINED),
    "nothing beside a good one": ((b"", crl(CA)), GOOD),
    "another key": ((crl(CA, key=ANOTHER),), UNSIGNED),
    "another key beside a good one": ((crl(CA, LEAF, key=ANOTHER), crl(CA)), GOOD),
    "CA without crl sign": ((crl(NO_CRL_SIGN),), UNSIGNED, LEAF, (NO_CRL_SIGN,)),
    "no nextUpdate": ((changed(field4=None),), REVOKED),
    "no nextUpdate and not listed": ((changed(field4=None, field5=None),), UNDETERMINED | {"RFC 5280 5.1.2.5"}),
    "expired and listed": ((crl(CA, LEAF, this_update=NOW - 9 * DAY),), REVOKED),
    "expired and listed, another not": ((crl(CA, LEAF, this_update=NOW - 9 * DAY), crl(CA)), REVOKED),
    "future and listed": ((LATER, crl(CA)), GOOD),
    "last instant": ((crl(CA, this_update=NOW - DAY, life=DAY),), GOOD),
    "unusable for the intermediate": (
        (crl(CA), crl(ROOT, this_update=NOW - 9 * DAY)), UNDETERMINED | {"RFC 5280 5.1.2.5"},
    ),
    "another key of the CA": ((crl(SIGNER),), GOOD, LEAF, (CA, SIGNER)),
    "another key of the CA, listed": ((crl(SIGNER, LEAF),), REVOKED, LEAF, (CA, SIGNER)),
    "RSA": ((crl(RSA_CA),), GOOD, RSA_LEAF, (RSA_CA,)),
    "RSA, listed": ((crl(RSA_CA, RSA_LEAF),), REVOKED, RSA_LEAF, (RSA_CA,)),
    "unreadable entry of the leaf": ((UNREADABLE,), {"RFC 5280 5.3"}, NUMBERED),
    "unreadable entry of another leaf": ((UNREADABLE,), GOOD),
    "20,000 entries": ((LONG,), GOOD),
})  # fmt: skip
def test_crl_of_the_issuer_decides(crls: Lists, expected: set[str], leaf: Made, pool: tuple[Made, ...]) -> None:
    assert violated(*crls, leaf=leaf, pool=pool) == expected


def test_listed_certificate_is_named_with_the_date() -> None:
    found = validated(LEAF, CA, crls=[crl(CA, Entry(4711), LEAF)])
    (violation,) = found.violations
    assert str(violation) == "leaf: it was revoked 2026-11-21 10:00 (RFC 5280 6.1.3 a 3)"
    assert validated(LEAF, CA, crls=[crl(CA), crl(ROOT, CA)]).violations[0].place == "intermediate 1 (CN=Path CA)"


@pytest.mark.parametrize("reason", sorted(REASONS, key=str))
def test_each_reason_including_hold_revokes(reason: x509.ReasonFlags) -> None:
    found = validated(LEAF, CA, crls=[crl(CA, entry(reason))])
    assert clauses(found) == REVOKED
    assert reason.value in found.violations[0].reason


def test_remove_from_crl_does_not_revoke_in_a_delta_crl() -> None:
    assert not REVOKED & violated(crl(CA, REMOVED, extensions=[(x509.DeltaCRLIndicator(6), True)]))


def test_crl_is_not_used_late_or_with_another_inner_algorithm() -> None:
    assert not validated(LEAF, CA, crls=[crl(CA, this_update=NOW - DAY, life=DAY)], at=NOW + DAY).ok
    assert violated(changed(field1=bytes.fromhex("300a06082a8648ce3d040303"), field5=None)) >= UNDETERMINED


def test_path_without_the_revoked_intermediate_is_found() -> None:
    again = replace(CA, serial=77)
    found = validated(LEAF, CA, again, crls=[crl(CA), crl(ROOT, CA)])
    assert found.path == (LEAF.der, again.der, ROOT.der)


UNUSABLE = {
    "expired": (crl(CA, this_update=NOW - 9 * DAY), "RFC 5280 5.1.2.5"),
    "not yet in force": (crl(CA, this_update=NOW + DAY), "RFC 5280 5.1.2.4"),
    "without number": (crl(CA, omit=(x509.CRLNumber,)), "RFC 5280 5.2.3"),
    "critical number": (crl(CA, omit=(x509.CRLNumber,), extensions=[(x509.CRLNumber(7), True)]), "RFC 5280 5.2.3"),
    "without authorityKeyIdentifier": (crl(CA, omit=(x509.AuthorityKeyIdentifier,)), "RFC 5280 5.2.1"),
    "unknown critical extension": (crl(CA, extensions=[(UNKNOWN, True)]), "RFC 5280 5.2"),
    "unknown critical extension of an entry": (crl(CA, Entry(1), Entry(2, ((UNKNOWN, True),))), "RFC 5280 5.3"),
    "delta": (crl(CA, extensions=[(x509.DeltaCRLIndicator(6), True)]), "RFC 5280 5.2.4"),
    "SHA-224": (crl(CA, digest=hashes.SHA224()), "BR 7.1.3.2"),
    "uncritical issuingDistributionPoint": (
        crl(CA, extensions=[(issuing_point(only_contains_user_certs=True)[0], False)]), "RFC 5280 5.2.5",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "clause"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable_crl_does_not_show_the_leaf_good(content: bytes, clause: str) -> None:
    assert violated(content) == UNDETERMINED | {clause}
    assert violated(content, crl(CA)) == GOOD


PART = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "shard")])
RELATIVE = LEAF.having(x509.CRLDistributionPoints([x509.DistributionPoint(None, PART, None, None)]))
FULL_NAME = [directory("OU=shard,CN=Path CA")]
ABSOLUTE = LEAF.having(x509.CRLDistributionPoints([x509.DistributionPoint(FULL_NAME, None, None, None)]))
KEY = frozenset({x509.ReasonFlags.key_compromise})
OF_KEY, OF_THE_REST = shard(only_some_reasons=KEY), shard(only_some_reasons=REASONS - KEY)
SOME_REASONS = LEAF.having(pointing(URL, reasons=[x509.ReasonFlags.key_compromise]))


@table({
    "its shard": ((shard(URL),), GOOD, SHARD),
    "one of two URLs": ((shard(OTHER_URL, URL),), GOOD, SHARD),
    "listed in its shard": ((shard(URL, listed=(SHARD,)),), REVOKED, SHARD),
    "another shard": ((shard(OTHER_URL),), UNDETERMINED, SHARD),
    "a shard, and the leaf points to none": ((shard(URL),), UNDETERMINED),
    "another shard beside its own": ((shard(OTHER_URL), shard(URL)), GOOD, SHARD),
    "full CRL": ((crl(CA),), GOOD, SHARD),
    "listed in another shard": ((shard(OTHER_URL, listed=(SHARD,)),), REVOKED, SHARD),
    "relative name": ((shard(relative_name=PART),), GOOD, RELATIVE),
    "relative name in the CRL": ((shard(relative_name=PART),), GOOD, ABSOLUTE),
    "relative name, the leaf has a URL": ((shard(relative_name=PART),), UNDETERMINED, SHARD),
    "name of the issuer": ((shard(full_name=[directory("CN=Path CA")]),), GOOD),
    "of CAs": ((shard(only_contains_ca_certs=True),), UNDETERMINED),
    "of attributes": ((shard(only_contains_attribute_certs=True),), UNDETERMINED),
    "of users": ((shard(only_contains_user_certs=True),), GOOD),
    "of CAs for the CA": ((crl(CA), shard(of=ROOT, only_contains_ca_certs=True)), GOOD),
    "of CAs, the CA listed": ((crl(CA), shard(of=ROOT, listed=(CA,), only_contains_ca_certs=True)), REVOKED),
    "of users for the CA": ((crl(CA), shard(of=ROOT, only_contains_user_certs=True)), GOOD),
    "some reasons": ((OF_KEY,), UNDETERMINED),
    "the other reasons": ((OF_THE_REST,), UNDETERMINED),
    "all reasons together": ((OF_KEY, OF_THE_REST), GOOD),
    "listed for some": ((OF_KEY, shard(listed=(LEAF,), only_some_reasons=REASONS - KEY)), REVOKED),
    "point for some reasons": ((shard(URL),), UNDETERMINED, SOME_REASONS),
    "point for some reasons, full CRL": ((crl(CA),), GOOD, SOME_REASONS),
})  # fmt: skip
def test_crl_covers_what_its_distribution_point_says(
    crls: Lists, expected: set[str], leaf: Made, pool: tuple[Made, ...]
) -> None:
    assert violated(*crls, leaf=leaf, pool=pool) == expected


CRL_ISSUER = new_ca(ROOT, "CN=CRL Issuer").having(usage("crl_sign"), critical=True)
INDIRECT = LEAF.having(pointing(URL, issuer="CN=CRL Issuer"))
OF_CA, OF_OTHER = ((x509.CertificateIssuer([directory(f"CN={name}")]), True) for name in ("Path CA", "Other"))
BOTH = (CA, CRL_ISSUER)
SECOND = timedelta(seconds=1)
OF_THE_CA = CRL_ISSUER.by(CA)
NAMESAKES = [replace(CRL_ISSUER, key=key_named(f"namesake {number}")) for number in range(8)]


def indirect(*entries: Entry, key: str | None = None) -> bytes:
    extensions = [issuing_point(URL, indirect_crl=True)]
    return crl(CRL_ISSUER, *entries, extensions=extensions, key=key_named(key) if key else None)


LISTED = indirect(Entry(1), Entry(INDIRECT.number, (OF_CA,)))
CARRIED = indirect(Entry(1, (OF_CA,)), Entry(INDIRECT.number))
CHANGED = indirect(Entry(1, (OF_CA,)), Entry(2, (OF_OTHER,)), Entry(INDIRECT.number))


@table({
    "not listed": ((indirect(),), GOOD, INDIRECT, BOTH),
    "listed": ((LISTED,), REVOKED, INDIRECT, BOTH),
    "issuer of an earlier entry": ((CARRIED,), REVOKED, INDIRECT, BOTH),
    "another issuer since": ((CHANGED,), GOOD, INDIRECT, BOTH),
    "number of the CRL issuer": ((indirect(Entry(INDIRECT.number)),), GOOD, INDIRECT, BOTH),
    "leaf that points to none": ((indirect(),), UNDETERMINED, LEAF, BOTH),
    "leaf that names no issuer": ((indirect(),), UNDETERMINED, SHARD, BOTH),
    "listed, and the leaf names no issuer": ((indirect(Entry(SHARD.number, (OF_CA,))), crl(CA)), GOOD, SHARD, BOTH),
    "no indirect flag": ((shard(URL, of=CRL_ISSUER),), UNDETERMINED, INDIRECT, BOTH),
    "issuer without a path": ((indirect(),), UNSIGNED, INDIRECT, (CA, replace(CRL_ISSUER, issuer=None))),
    "unknown issuer": ((indirect(),), UNSIGNED, INDIRECT, (CA,)),
    "expired issuer": ((indirect(),), UNSIGNED, INDIRECT, (CA, replace(CRL_ISSUER, end=NOW - DAY))),
    "issuer begins now": ((indirect(),), GOOD, INDIRECT, (CA, replace(CRL_ISSUER, start=NOW))),
    "issuer ends now": ((indirect(),), GOOD, INDIRECT, (CA, replace(CRL_ISSUER, end=NOW))),
    "issuer begins later": ((indirect(),), UNSIGNED, INDIRECT, (CA, replace(CRL_ISSUER, start=NOW + SECOND))),
    "issuer has ended": ((indirect(),), UNSIGNED, INDIRECT, (CA, replace(CRL_ISSUER, end=NOW - SECOND))),
    "eighth namesake": ((indirect(),), GOOD, INDIRECT, (CA, *NAMESAKES[:7], CRL_ISSUER)),
    "ninth namesake": ((indirect(),), UNSIGNED, INDIRECT, (CA, *NAMESAKES, CRL_ISSUER)),
    "revoked issuer": ((indirect(), crl(ROOT, CRL_ISSUER)), UNSIGNED, INDIRECT, BOTH),
    "good issuer": ((indirect(), crl(ROOT)), GOOD, INDIRECT, BOTH),
    "another CA revoked its number": (
        (indirect(), shard(OTHER_URL, listed=(Entry(CRL_ISSUER.number),))), GOOD, INDIRECT, BOTH,
    ),
    "garbage beside it": ((indirect(), b"garbage"), GOOD, INDIRECT, BOTH),
    "issuer certified by the CA": ((indirect(),), GOOD, INDIRECT, (CA, OF_THE_CA)),
    "revoked with another key": ((indirect(), crl(CA, OF_THE_CA, key=ANOTHER)), GOOD, INDIRECT, (CA, OF_THE_CA)),
    "issuer with the name of a CA that did not sign it": (
        (indirect(),), UNSIGNED, INDIRECT, (CA, CRL_ISSUER.by(rekeyed(ROOT, ANOTHER))),
    ),
    "CRL of the CA where the leaf names another issuer": ((shard(URL, indirect_crl=True),), UNDETERMINED, INDIRECT),
    "CRL of the CA with the key of another issuer": ((crl(CA, key=CRL_ISSUER.private_key),), UNSIGNED, LEAF, BOTH),
    "another key": ((indirect(key="another"),), UNSIGNED, INDIRECT, BOTH),
})  # fmt: skip
def test_indirect_crl_covers_certificates_that_name_its_issuer(
    crls: Lists, expected: set[str], leaf: Made, pool: tuple[Made, ...]
) -> None:
    assert violated(*crls, leaf=leaf, pool=pool) == expected
