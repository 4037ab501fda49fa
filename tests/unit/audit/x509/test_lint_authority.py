"""Tests of the rules for the certificates of CAs: one that keeps all rules, and others that break one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from audit.analysis.lint_scope import violations_of_authorities
from audit.checks.test_certificate import test_profile_is_a_servers as check
from audit.policy import Policy, load_profile
from audit.x509.lint import day, lint
from audit.x509.lint.authority import AUTHORITY_RULES
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.path.served_chain import Chain, read_chain
from audit.x509.path.trust_store import TrustAnchors
from tests.support.endpoint_facts import NAMED_WEBPKI, WEBPKI, observed, served
from tests.support.verdicts import PASS, exempt, fail, require_verdict
from tests.support.x509.certificates import DAY, NOW, rsa_key
from tests.support.x509.crls import pointing
from tests.support.x509.ocsp_responses import responders
from tests.support.x509.paths import Made, new_ca, new_leaf, new_root, rekeyed, usage

BASELINE, SC62 = day(2012, 7, 1), day(2023, 9, 15)
ROOT = new_root("CN=Example Root,O=Example,C=DE")
DOMAIN, ORGANIZATION, ANY, OWN = "2.23.140.1.2.1", "2.23.140.1.2.2", "2.5.29.32.0", "1.3.6.1.4.1.99999.1"
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
EMAIL, ANY_USAGE = ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
BY_LDAP = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("ldap://ca.example.com/1")
        )
    ]
)


def policies(*oids: str) -> x509.CertificatePolicies:
    """Return the extension with these policies."""
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids])


def used_for(*usages: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    """Return the extension with these purposes."""
    return x509.ExtendedKeyUsage(list(usages))


SOUND = (
    new_ca(ROOT, "CN=Example CA 1,O=Example,C=DE")
    .having(pointing("http://ca.example.com/root.crl"))
    .having(policies(DOMAIN))
    .having(used_for(SERVER, CLIENT))
    .having(responders("http://ocsp.example.com/"))
)
OF_RSA = rekeyed(SOUND, rsa_key(2048))


def named(subject: str) -> Made:
    """Return the sound CA with another subject."""
    return replace(SOUND, subject=subject)


def issued(ca: Made, at: datetime) -> Made:
    """Return a CA as if it had been issued at another time."""
    return replace(ca, start=at)


def broken(ca: Made) -> set[str]:
    """Return the ids of the rules for CAs that a certificate breaks."""
    seen = lint(ca.der, AUTHORITY_RULES, as_leaf=False)
    assert not seen.unread
    return {violation.rule for violation in seen.violations}


@pytest.mark.parametrize(
    "ca",
    [
        SOUND,
        OF_RSA,
        SOUND.having(policies(ANY)),
        SOUND.having(policies(DOMAIN, OWN)),
        SOUND.without(x509.AuthorityInformationAccess),
        SOUND.without(x509.ExtendedKeyUsage),
        SOUND.having(used_for(EMAIL)),
        SOUND.having(used_for(ANY_USAGE)),
        SOUND.having(usage("key_cert_sign", "crl_sign", "digital_signature"), critical=True),
        named("CN=Example CA 1,OU=Of another purpose,O=Example,C=DE").without(x509.ExtendedKeyUsage),
    ],
)
def test_ca_that_keeps_all_rules_breaks_none(ca: Made) -> None:
    assert broken(ca) == set()
    assert lint(ca.der, PROFILE_RULES, as_leaf=False).violations == ()


@pytest.mark.parametrize(
    ("ca", "rule"),
    [
        (named("CN=Example CA 1,O=Example"), "ca-country"),
        (named("CN=Example CA 1,C=DE"), "ca-organization"),
        (named("CN=Example CA 1,O=,C=DE"), "ca-organization"),
        (named("O=Example,C=DE"), "ca-name"),
        (named("CN=Example CA 1,OU=Servers,O=Example,C=DE"), "ca-unit"),
        (SOUND.without(x509.KeyUsage), "ca-usage"),
        (SOUND.having(usage("key_cert_sign", "crl_sign")), "ca-usage-critical"),
        (SOUND.having(usage("crl_sign"), critical=True), "ca-cert-sign"),
        (SOUND.having(usage("key_cert_sign"), critical=True), "ca-crl-sign"),
        (OF_RSA.having(usage("key_cert_sign", "crl_sign", "key_agreement"), critical=True), "ca-usage-of-rsa"),
        (OF_RSA.having(usage("key_cert_sign", "crl_sign", "key_encipherment"), critical=True), "ca-encipherment"),
        (OF_RSA.having(usage("key_cert_sign", "crl_sign", "data_encipherment"), critical=True), "ca-encipherment"),
        (SOUND.without(x509.SubjectKeyIdentifier), "ca-key-id"),
        (SOUND.having(x509.BasicConstraints(ca=True, path_length=None)), "ca-constraints-critical"),
        (SOUND.without(x509.CertificatePolicies), "ca-policies"),
        (SOUND.having(policies(OWN)), "ca-policy-kind"),
        (SOUND.having(policies(ANY, DOMAIN)), "ca-policy-kind"),
        (SOUND.having(policies(DOMAIN, ORGANIZATION)), "ca-policy-kind"),
        (SOUND.having(BY_LDAP), "ca-access-form"),
        (SOUND.without(x509.CRLDistributionPoints), "ca-crl"),
        (SOUND.having(pointing("http://ca.example.com/root.crl"), critical=True), "ca-crl-critical"),
        (SOUND.having(used_for(SERVER, EMAIL)), "ca-purposes"),
        (SOUND.having(used_for(ANY_USAGE, EMAIL)), "ca-purposes"),
    ],
)
def test_single_fault_of_a_ca_breaks_one_rule(ca: Made, rule: str) -> None:
    assert broken(ca) == {rule}


def test_ca_without_a_subject_breaks_the_rules_of_its_subject() -> None:
    assert broken(named("")) == {"ca-subject", "ca-country", "ca-organization", "ca-name"}


@pytest.mark.parametrize(
    ("ca", "rule", "first", "after"),
    [
        (named("CN=Example CA 1,O=Example"), "ca-country", BASELINE, None),
        (named("O=Example,C=DE"), "ca-name", day(2017, 6, 8), None),
        (SOUND.without(x509.CRLDistributionPoints), "ca-crl", BASELINE, None),
        (SOUND.without(x509.AuthorityInformationAccess), "ca-access", BASELINE, day(2020, 8, 20)),
        (SOUND.having(policies(OWN)), "ca-policy-kind", SC62, None),
        (SOUND.without(x509.KeyUsage), "ca-usage", day(2002, 4, 1), None),
    ],
)
def test_rule_for_cas_applies_from_its_date_until_its_end(
    ca: Made, rule: str, first: datetime, after: datetime | None
) -> None:
    second = timedelta(seconds=1)
    assert rule not in broken(issued(ca, first - second))
    assert rule in broken(issued(ca, first))
    if after is not None:
        assert rule in broken(issued(ca, after - second))
        assert rule not in broken(issued(ca, after))


def test_profile_of_a_subordinate_ca_does_not_bind_a_root() -> None:
    assert broken(ROOT) == set()
    assert {rule.of for rule in AUTHORITY_RULES} == {"CA"}
    assert not lint(SOUND.der, AUTHORITY_RULES).binding


def chain(*sent: Made, public: bool = True, at: datetime = NOW) -> Chain:
    """Return a chain as sent, below the root."""
    root = sent[-1].issuer or ROOT
    anchors = TrustAnchors({"mozilla" if public else "corp.pem": [root.der]})
    return read_chain(tuple(made.der for made in sent), anchors, at)


def facts(ca: Made, policy: Policy = WEBPKI, *, public: bool = True) -> dict[str, object]:
    """Return the facts about a leaf that keeps all rules and its CA."""
    leaf = (
        new_leaf(ca, subject="CN=www.example.com")
        .having(policies(DOMAIN))
        .having(responders("http://ocsp.example.com/"))
    )
    given = chain(leaf, ca, public=public)
    seen = observed(replace(served(), chain_der=(leaf.der, ca.der)))
    return {"certificate": given.leaf, "chain": given, "observation": seen, "policy": policy}


OLD_ROOT = ROOT.without(x509.KeyUsage).without(x509.SubjectKeyIdentifier)
WITHOUT_CRL = SOUND.without(x509.CRLDistributionPoints)
WORDS = "intermediate 1 (CN=Example CA 1,O=Example,C=DE): it has no cRLDistributionPoints (BR 7.1.2.11.2)"


def test_fault_of_an_intermediate_is_a_finding_of_the_profile_check() -> None:
    require_verdict((check, facts(SOUND), PASS))
    require_verdict((check, facts(replace(SOUND, issuer=OLD_ROOT)), PASS))
    require_verdict((check, facts(WITHOUT_CRL), fail(WORDS, remedy="manual")))
    require_verdict((check, facts(WITHOUT_CRL, public=False), exempt("not publicly trusted")))
    require_verdict((check, facts(WITHOUT_CRL, NAMED_WEBPKI, public=False), fail(WORDS, remedy="manual")))
    assert not Policy((load_profile("private-pki"),)).applies("cert.profile-br")


def test_fault_that_path_and_rule_find_is_reported_once() -> None:
    given = facts(SOUND.without(x509.SubjectKeyIdentifier))
    require_verdict((check, given, fail("(RFC 5280 4.2.1.2)", remedy="manual")))
    with pytest.raises(Exception, match="subjectKeyIdentifier") as raised:
        check(**given)  # type: ignore[arg-type]  # the facts by name
    assert str(raised.value).count("subjectKeyIdentifier") == 1


def test_cas_of_a_path_that_clients_refuse_are_not_linted() -> None:
    refused = new_leaf(WITHOUT_CRL)
    assert violations_of_authorities(chain(refused, WITHOUT_CRL), PROFILE_RULES)
    assert violations_of_authorities(chain(refused, WITHOUT_CRL, at=NOW + 400 * DAY), PROFILE_RULES) == ()
    assert violations_of_authorities(chain(refused, new_ca(ROOT)), PROFILE_RULES) == ()
