"""Checks of the leaf itself: its dates, its signature, what it may be used for, who vouches for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from audit.analysis.chains import chain_faults, forgeable_signatures
from audit.analysis.installed_files import clock_is_off, successor, unserved
from audit.analysis.lint_scope import require_bound, require_public, require_rules
from audit.analysis.path_faults import profile_violations
from audit.analysis.placeholder import require_own
from audit.analysis.revocation import rules_of
from audit.analysis.stapling import must_staple, require_staples, staple_faults, stapled
from audit.analysis.validity import expires, expiring_margin, renewal_margin, time_left, validity_excesses
from audit.checks import check
from audit.observation import Observation
from audit.policy import Policy
from audit.text import duration, listing, moment, sentence
from audit.verdict import inconclusive, not_applicable, require, require_none
from audit.x509.certificate import Certificate
from audit.x509.lint.extended_key_usage import CLIENT_AUTH_RULES, eku_faults, presents_names
from audit.x509.lint.pkilint import INSTALL_PKILINT, full_lint, is_installed
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.lint.revocation_and_sct import REVOCATION, TRANSPARENCY
from audit.x509.path.served_chain import Chain

_EXPIRED: Final = "it has expired already: that is cert.expired"


@check("cert.malformed", severity="high", remedy="reissue", source="RFC 5280 4.1, 4.2")
def test_readable(chain: Chain) -> None:
    """Every field of every certificate that was sent can be read; which one cannot, and why, is named."""
    faults = chain_faults(chain)
    remedy = "reissue" if chain.leaf.faults else "rechain"
    require(not faults, sentence(faults), observed=faults, required="DER as in RFC 5280", remedy=remedy)


@check("cert.expired", severity="critical", remedy="reissue", source="RFC 5280 4.1.2.5")
def test_not_expired(certificate: Certificate, observation: Observation, now: datetime) -> None:
    """The last instant of the validity, which is part of it, has not passed; nor of a certificate yet to be served."""
    ago = f"expired {duration(now - certificate.not_after)} ago ({moment(certificate.not_after)})"
    require(now.replace(microsecond=0) <= certificate.not_after, ago,
            observed=moment(certificate.not_after), required=f"after {moment(now)}",
            remedy=_reload_or_reissue(observation, certificate))  # fmt: skip
    ended = [f"{file.path}, which is not served yet, expired {moment(leaf.not_after)}"
             for file, leaf in unserved(observation) if leaf.not_after < now]  # fmt: skip
    require(not ended, sentence(ended), observed=ended, required=f"after {moment(now)}")


@check("cert.expiring", severity="high", remedy="reissue", source="the policy's thresholds")
def test_not_expiring(certificate: Certificate, policy: Policy, observation: Observation, now: datetime) -> None:
    """The certificate is renewed before it is late. What is expired is not also expiring."""
    left = time_left(certificate, now)
    if left < timedelta(0):
        not_applicable(_EXPIRED)
    late = expiring_margin(certificate, policy)
    require(left >= late.span, expires(certificate, now, late), observed=moment(certificate.not_after),
            required=str(late), remedy=_reload_or_reissue(observation, certificate), policy=late.policy)  # fmt: skip


@check("cert.renewal-due", severity="low", remedy="reissue", source="RFC 9773 1; the policy's thresholds")
def test_not_due_for_renewal(certificate: Certificate, policy: Policy, observation: Observation, now: datetime) -> None:
    """The renewal point has not passed. Nothing is late yet; what is late is `cert.expiring` and not also this."""
    left = time_left(certificate, now)
    if left < timedelta(0):
        not_applicable(_EXPIRED)
    due = renewal_margin(certificate, policy)
    if left < expiring_margin(certificate, policy).span:
        not_applicable("it is late already: that is cert.expiring")
    require(left >= due.span, expires(certificate, now, due), observed=moment(certificate.not_after),
            required=str(due), remedy=_reload_or_reissue(observation, certificate), policy=due.policy)  # fmt: skip


@check("cert.not-yet-valid", severity="high", remedy="reissue", source="RFC 5280 4.1.2.5")
def test_already_valid(certificate: Certificate, policy: Policy, observation: Observation, now: datetime) -> None:
    """The validity has begun, allowing for clock skew. If the host's clock is wrong, fix that first."""
    tolerance_s, whose = policy.least(lambda limits: limits.not_before_tolerance_s)
    start, is_off = certificate.not_before, clock_is_off(observation.server, policy)
    blamed = "; the host's clock is off, which is to be mended first (ops.clock-skew)" if is_off else ""
    when = f"valid only in {duration(start - now)}, from {moment(start)} on{blamed}"
    tolerance = timedelta(seconds=tolerance_s)
    require(start - now <= tolerance, when,
            observed=moment(start), required=f"before {moment(now)}", remedy="host" if is_off else "reissue",
            policy=whose)  # fmt: skip
    early = [f"{file.path}, which is not served yet, is valid only from {moment(leaf.not_before)} on"
             for file, leaf in unserved(observation) if leaf.not_before - now > tolerance]  # fmt: skip
    require(not early, sentence(early), observed=early, required=f"before {moment(now)}")


@check("cert.weak-signature", severity="critical", remedy="reissue", source="BR 7.1.3.2; RFC 9155 2; CWE-327")
def test_signed_strongly(chain: Chain, policy: Policy) -> None:
    """Leaf and intermediates are signed with an admitted digest; nobody relies on the signature of a trust anchor."""
    if chain.leaf_is_anchor:
        not_applicable("the leaf is a trust anchor of the user's: nobody relies on its signature")
    require_none(policy.each(lambda limits: forgeable_signatures(chain, limits)))


@check("cert.san-missing", severity="high", remedy="reissue", source="BR 7.1.2.7.12; RFC 9525 6.2")
def test_names_in_san(certificate: Certificate, observation: Observation, policy: Policy) -> None:
    """The subject alternative name has a dNSName or an iPAddress: clients look nowhere else."""
    require_own(observation, policy)
    required = "a subject alternative name with a dNSName or an iPAddress"
    require(presents_names(certificate), f"{required} is missing, and clients look for names nowhere else",
            observed=f"subject {certificate.subject}", required=required)  # fmt: skip


@check("cert.eku-missing-serverauth", severity="high", remedy="reissue", source="RFC 5280 4.2.1.12; BR 7.1.2.7.10")
def test_issued_for_servers(certificate: Certificate, observation: Observation, policy: Policy) -> None:
    """The extended key usage is a server's; whether it may be left out, or be any or more, the policy says."""
    require_own(observation, policy)
    require_none(policy.each(lambda limits: eku_faults(certificate, limits)), required="serverAuth")


@check("cert.self-signed", severity="high", remedy="reissue", source="PCI DSS 4.2.1; RFC 5280 3.2")
def test_not_self_signed(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """Somebody else than the server vouches for it, unless it was itself named as a trust anchor."""
    require_own(observation, policy)
    if chain.leaf_is_anchor:
        not_applicable(f"the leaf itself is a trust anchor of {chain.anchor_source}")
    require(not certificate.is_self_signed, f"self-signed: issuer and subject are both {certificate}",
            observed=certificate.issuer, required="an issuer that is not the subject")  # fmt: skip


@check("cert.validity-too-long", severity="medium", remedy="reissue", source="BR 6.3.2")
def test_validity_within_limit(
    certificate: Certificate, chain: Chain, observation: Observation, policy: Policy
) -> None:
    """The validity, both ends included, is not longer than was admitted on the day of issue.

    A limit of the public PKI binds publicly trusted issuers only, or everybody where the user named that policy.
    """
    require_own(observation, policy)
    faults = validity_excesses(certificate, chain, policy)
    if faults is None:
        require_public(chain)
    require_none(faults or ())


@check("cert.profile-br", severity="low", remedy="reissue", source="BR 7.1.2.7; RFC 5280 4.1.2, 4.2")
def test_profile_is_a_servers(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """Serial number, common name, key usage and extensions are those of a server's certificate, as of its issue.

    The path keeps the rule books too, in what clients accept although the books forbid it.
    """
    require_bound(chain, observation, policy)
    require_rules(certificate, PROFILE_RULES, profile_violations(chain, policy))


@check("cert.lint-br", severity="low", remedy="reissue", source="BR 7.1, as pkilint has it")
def test_baseline_requirements_in_full(
    certificate: Certificate, chain: Chain, observation: Observation, policy: Policy
) -> None:
    """A linter of the Baseline Requirements finds no error: the optional extra `lint`."""
    require_bound(chain, observation, policy)
    if not is_installed():
        not_applicable(INSTALL_PKILINT)
    try:
        errors = full_lint(certificate.der)
    except ValueError as error:
        inconclusive(f"pkilint cannot read the certificate: {error}")
    require(not errors, listing(errors), observed=errors, required="no error of pkilint")


@check("cert.eku-clientauth", severity="low", remedy="reissue", source="Chrome Root Program Policy 1.3.2")
def test_not_issued_for_clients_too(
    certificate: Certificate, chain: Chain, observation: Observation, policy: Policy
) -> None:
    """What is issued from 2027-03-15 on for servers is not also for clients: browsers drop CAs that go on doing so."""
    require_bound(chain, observation, policy)
    require_rules(certificate, CLIENT_AUTH_RULES)


@check("cert.no-revocation-info", severity="medium", remedy="reissue", source="BR 7.1.2.11.2")
def test_revocable(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """It says where its CRL is or where OCSP is answered, unless it is short-lived."""
    require_bound(chain, observation, policy)
    require_rules(certificate, REVOCATION)


@check(
    "cert.sct-insufficient", severity="high", remedy="reissue", source="https://support.apple.com/103214; RFC 6962 3.3"
)
def test_logged_enough(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """It holds timestamps of as many logs as browsers ask of publicly trusted certificates, whatever the policy."""
    require_bound(chain, observation, policy)
    require_public(chain)
    require_rules(certificate, TRANSPARENCY)


@check("cert.must-staple-no-staple", severity="high", remedy="configure", source="RFC 7633 4.2.3")
def test_stapled_where_it_must(certificate: Certificate, observation: Observation) -> None:
    """Where the certificate binds the server to staple an OCSP answer, every address does."""
    if not must_staple(certificate):
        not_applicable("the certificate does not bind the server to staple")
    require_staples(certificate, observation)


@check("cert.staple-stale", severity="medium", remedy="configure", source="RFC 6960 3.2, 4.2.2.1; RFC 6066 8")
def test_staple_can_be_used(chain: Chain, observation: Observation, policy: Policy) -> None:
    """A stapled OCSP answer is in force, signed by who may, about the certificate and knows it; else none is better."""
    if not stapled(chain.leaf, observation):
        not_applicable("no OCSP answer is stapled")
    faults = staple_faults(chain, observation, rules_of(policy))
    require(not faults, f"stapled at {sentence(faults)}", observed=faults, required="an answer that clients can use")


def _reload_or_reissue(observation: Observation, certificate: Certificate) -> str:
    """Return the remedy of an old certificate: the host may have its successor already, and only not serve it."""
    return "reload" if successor(observation.server, certificate) else "reissue"
