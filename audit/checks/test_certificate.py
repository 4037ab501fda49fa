"""Checks of the leaf itself: its dates, its signature, its names and usages, its issuer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from audit.analysis.chains import chain_faults, forgeable_signatures
from audit.analysis.delivery.stapling import (
    has_responder,
    must_staple,
    staple_faults,
    stapled_handshakes,
    unstapled_addresses,
)
from audit.analysis.delivery.transparency import SOURCE, logging_of
from audit.analysis.host_facts import clock_is_off
from audit.analysis.installed_files import early_unserved, expired_unserved, successor
from audit.analysis.lint_scope import (
    not_publicly_trusted,
    pkilint_errors,
    rule_faults,
    unbound_issuer,
    violations_of_authorities,
)
from audit.analysis.path_faults import profile_violations
from audit.analysis.placeholder import no_own_certificate
from audit.analysis.revocation.responses import rules_of
from audit.analysis.validity import (
    clock_tolerance,
    expires,
    expiring_margin,
    not_yet_valid,
    renewal_margin,
    time_left,
    validity_excesses,
)
from audit.checks import check
from audit.checks.assertions import end_if, known, require_none, require_rules
from audit.observation import Observation
from audit.policy import Policy
from audit.policy.controls import CERTIFICATE, HOST, LIFECYCLE, NAMING
from audit.text import duration, format_utc, join_clauses, join_limited
from audit.verdict import not_applicable, passed, require
from audit.x509.certificate import Certificate
from audit.x509.lint.extended_key_usage import CLIENT_AUTH_RULES, eku_faults, presents_names
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.lint.revocation import REVOCATION
from audit.x509.path.served_chain import Chain
from audit.x509.transparency.log_list import LogList

_EXPIRED: Final = "it has expired, which cert.expired reports"


@check("cert.malformed", severity="high", remedy="reissue", source="RFC 5280 4.1, 4.2", controls=CERTIFICATE)
def test_readable(chain: Chain) -> None:
    """Every certificate that the server sends must be readable in every field (RFC 5280 4.1, 4.2).

    Fix: If the leaf is unreadable, order a new certificate. If another certificate is, replace the chain file by the
    one that the CA publishes, and reload the service.
    """
    faults = chain_faults(chain)
    remedy = "reissue" if chain.leaf.faults else "rechain"
    require(not faults, join_clauses(faults), observed=faults, required="DER as in RFC 5280", remedy=remedy)


@check(
    "cert.expired", severity="critical", remedy="reissue", source="RFC 5280 4.1.2.5", controls=CERTIFICATE | LIFECYCLE
)
def test_not_expired(certificate: Certificate, observation: Observation, now: datetime) -> None:
    """The certificate must not be expired (RFC 5280 4.1.2.5).

    The last second of the validity still counts. A certificate that is installed and not yet served is checked too.

    Fix: Order a new certificate, install it on every service that uses the old one, and reload these services. If the
    new certificate is on the host already, a reload is enough.
    """
    ago = f"expired {duration(now - certificate.not_after)} ago ({format_utc(certificate.not_after)})"
    require(now.replace(microsecond=0) <= certificate.not_after, ago,
            observed=format_utc(certificate.not_after), required=f"after {format_utc(now)}",
            remedy=_reload_or_reissue(observation, certificate))  # fmt: skip
    unserved = expired_unserved(observation, now)
    require(not unserved, join_clauses(unserved), observed=unserved, required=f"after {format_utc(now)}")


@check(
    "cert.expiring",
    severity="high",
    remedy="reissue",
    source="the policy's thresholds",
    controls=CERTIFICATE | LIFECYCLE,
)
def test_not_expiring(certificate: Certificate, policy: Policy, observation: Observation, now: datetime) -> None:
    """The certificate must be renewed before the latest time that the policy's thresholds set.

    An expired certificate is reported by `cert.expired` only.

    Fix: Order a new certificate now, install it and reload the service. Then find out why the scheduled renewal did not
    run.
    """
    left = time_left(certificate, now)
    if left < timedelta(0):
        not_applicable(_EXPIRED)
    late = expiring_margin(certificate, policy)
    require(left >= late.span, expires(certificate, now, late), observed=format_utc(certificate.not_after),
            required=str(late), remedy=_reload_or_reissue(observation, certificate), policy=late.policy)  # fmt: skip


@check(
    "cert.renewal-due",
    severity="low",
    remedy="reissue",
    source="RFC 9773 1; the policy's thresholds",
    controls=CERTIFICATE | LIFECYCLE,
)
def test_not_due_for_renewal(certificate: Certificate, policy: Policy, observation: Observation, now: datetime) -> None:
    """The certificate should be renewed once the renewal time of the policy has come (RFC 9773 1).

    If the renewal is late, `cert.expiring` reports it.

    Fix: Nothing is wrong yet: let the scheduled renewal run, or order a new certificate.
    """
    left = time_left(certificate, now)
    if left < timedelta(0):
        not_applicable(_EXPIRED)
    due = renewal_margin(certificate, policy)
    if left < expiring_margin(certificate, policy).span:
        not_applicable("it is late, which cert.expiring reports")
    require(left >= due.span, expires(certificate, now, due), observed=format_utc(certificate.not_after),
            required=str(due), remedy=_reload_or_reissue(observation, certificate), policy=due.policy)  # fmt: skip


@check("cert.not-yet-valid", severity="high", remedy="reissue", source="RFC 5280 4.1.2.5", controls=CERTIFICATE | HOST)
def test_already_valid(certificate: Certificate, policy: Policy, observation: Observation, now: datetime) -> None:
    """The validity must have begun, allowing for clock skew (RFC 5280 4.1.2.5).

    A certificate that is installed and not yet served is checked too.

    Fix: If the host's clock is wrong, set it. Otherwise install the previous certificate again until notBefore has
    passed, or order a new one.
    """
    (tolerance, whose), is_off = clock_tolerance(policy), clock_is_off(observation.server, policy)
    require(certificate.not_before - now <= tolerance, not_yet_valid(certificate, now, is_clock_off=is_off),
            observed=format_utc(certificate.not_before), required=f"before {format_utc(now)}",
            remedy="host" if is_off else "reissue", policy=whose)  # fmt: skip
    unserved = early_unserved(observation, now + tolerance)
    require(not unserved, join_clauses(unserved), observed=unserved, required=f"before {format_utc(now)}")


@check(
    "cert.weak-signature",
    severity="critical",
    remedy="reissue",
    source="BR 7.1.3.2; RFC 9155 2; CWE-327",
    controls=CERTIFICATE,
)
def test_signed_strongly(chain: Chain, policy: Policy) -> None:
    """Leaf and intermediates must be signed with a digest that the policy allows (BR 7.1.3.2; RFC 9155 2).

    The signature of a trust anchor is not checked, because clients do not verify it.

    Fix: Order a new certificate from a CA that signs with SHA-256 or stronger.
    """
    if chain.leaf_is_anchor:
        not_applicable("the leaf is a trust anchor of the user's, and clients do not verify its signature")
    require_none(policy.faults(lambda limits: forgeable_signatures(chain, limits)))


@check(
    "cert.san-missing",
    severity="high",
    remedy="reissue",
    source="BR 7.1.2.7.12; RFC 9525 6.2",
    controls=CERTIFICATE | NAMING,
)
def test_names_in_san(certificate: Certificate, observation: Observation, policy: Policy) -> None:
    """The subject alternative name must have a dNSName or an iPAddress (BR 7.1.2.7.12; RFC 9525 6.2).

    Fix: Order a new certificate whose CSR has the names in the subject alternative name. Clients ignore the common
    name.
    """
    end_if(no_own_certificate(observation, policy))
    required = "a subject alternative name with a dNSName or an iPAddress"
    require(presents_names(certificate), f"{required} is missing, and clients read names only from it",
            observed=f"subject {certificate.subject}", required=required)  # fmt: skip


@check(
    "cert.eku-missing-serverauth",
    severity="high",
    remedy="reissue",
    source="RFC 5280 4.2.1.12; BR 7.1.2.7.10",
    controls=CERTIFICATE,
)
def test_issued_for_servers(certificate: Certificate, observation: Observation, policy: Policy) -> None:
    """The extended key usage must permit TLS servers (RFC 5280 4.2.1.12; BR 7.1.2.7.10).

    The policy sets whether the extension may be missing and whether it may permit other uses.

    Fix: Order a new certificate with the profile for TLS servers (extended key usage serverAuth).
    """
    end_if(no_own_certificate(observation, policy))
    require_none(policy.faults(lambda limits: eku_faults(certificate, limits)), required="serverAuth")


@check(
    "cert.self-signed", severity="high", remedy="reissue", source="PCI DSS 4.2.1; RFC 5280 3.2", controls=CERTIFICATE
)
def test_not_self_signed(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """The certificate must not be self-signed, unless it is a trust anchor itself (PCI DSS 4.2.1; RFC 5280 3.2).

    Fix: Order a certificate from a CA that your clients trust. If all clients have this certificate as a trust anchor,
    name its file in `--audit-trust`.
    """
    end_if(no_own_certificate(observation, policy))
    if chain.leaf_is_anchor:
        not_applicable(f"the leaf itself is a trust anchor of {chain.anchor_source}")
    require(not certificate.is_self_signed, f"self-signed: issuer and subject are both {certificate}",
            observed=certificate.issuer, required="an issuer that is not the subject")  # fmt: skip


@check("cert.validity-too-long", severity="medium", remedy="reissue", source="BR 6.3.2", controls=CERTIFICATE)
def test_validity_within_limit(
    certificate: Certificate, chain: Chain, observation: Observation, policy: Policy
) -> None:
    """The validity must not exceed the limit in force on the day of issue (BR 6.3.2).

    A limit of the public PKI binds publicly trusted issuers, and every issuer if the user named that policy.

    Fix: Order a new certificate with a shorter validity. Browsers reject longer ones.
    """
    end_if(no_own_certificate(observation, policy))
    require_none(known(validity_excesses(certificate, chain, policy)))


@check(
    "cert.profile-br", severity="low", remedy="reissue", source="BR 7.1.2.7; RFC 5280 4.1.2, 4.2", controls=CERTIFICATE
)
def test_profile_is_a_servers(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """The certificate must have the profile of a TLS server's certificate (BR 7.1.2.7; RFC 5280 4.1.2, 4.2).

    The rules of the day of issue apply. Faults of CAs that clients accept and only the rule books forbid are reported
    here too (BR 7.1.2.10), but none of roots.

    Fix: Report the message to the CA, and order a new certificate when it has fixed its profile. A fault of a CA's
    certificate does not go away with a new leaf.
    """
    end_if(unbound_issuer(chain, observation, policy))
    above = violations_of_authorities(chain, PROFILE_RULES)
    require_rules(rule_faults(certificate, PROFILE_RULES, (*profile_violations(chain, policy), *above)))


@check("cert.lint-br", severity="low", remedy="reissue", source="BR 7.1, as pkilint has it", controls=CERTIFICATE)
def test_baseline_requirements_in_full(
    certificate: Certificate, chain: Chain, observation: Observation, policy: Policy
) -> None:
    """The linter pkilint must find no error against the Baseline Requirements (BR 7.1).

    The check needs the extra `lint`.

    Fix: Report the message to the CA, and order a new certificate when it has fixed its profile.
    """
    end_if(unbound_issuer(chain, observation, policy))
    errors = known(pkilint_errors(certificate))
    require(not errors, join_limited(errors), observed=errors, required="no error of pkilint")


@check(
    "cert.eku-clientauth",
    severity="low",
    remedy="reissue",
    source="Chrome Root Program Policy 1.3.2",
    controls=CERTIFICATE,
)
def test_not_issued_for_clients_too(
    certificate: Certificate, chain: Chain, observation: Observation, policy: Policy
) -> None:
    """A certificate issued from 2027-03-15 on must not be for clients too (Chrome Root Program Policy 1.3.2).

    Fix: Order a new certificate with serverAuth as the only extended key usage. Use a certificate of a private CA where
    a client authenticates with it.
    """
    end_if(unbound_issuer(chain, observation, policy))
    require_rules(rule_faults(certificate, CLIENT_AUTH_RULES))


@check("cert.no-revocation-info", severity="medium", remedy="reissue", source="BR 7.1.2.11.2", controls=CERTIFICATE)
def test_revocable(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """The certificate must name its CRL or an OCSP responder, unless it is short-lived (BR 7.1.2.11.2).

    Fix: Report the message to the CA, and order a new certificate when it has fixed its profile.
    """
    end_if(unbound_issuer(chain, observation, policy))
    require_rules(rule_faults(certificate, REVOCATION))


@check(
    "cert.sct-insufficient",
    severity="high",
    remedy="reissue",
    source="https://support.apple.com/103214; Chrome CT policy; RFC 6962 3.3",
    controls=CERTIFICATE,
)
def test_logged_enough(
    chain: Chain, observation: Observation, policy: Policy, log_list: LogList | None, now: datetime
) -> None:
    """A publicly trusted certificate must have as many SCTs as browsers require (RFC 6962 3.3).

    This applies whatever the policy. With a log list (`[ct] log_list`) the signature of each SCT, the state of its log
    and the operators of the logs are judged. Without one only counts, versions, times and log ids are, and a forged SCT
    counts. SCTs in the certificate, in the TLS handshake and in the stapled OCSP response count.

    Fix: Order a new certificate from a CA that logs what it issues. Apple's and Google's clients reject a certificate
    without enough SCTs.
    """
    end_if(unbound_issuer(chain, observation, policy) or not_publicly_trusted(chain))
    logging = known(logging_of(chain, observation, log_list, now))
    require(not logging.faults, join_clauses(logging.faults), observed=logging.faults, required=(SOURCE,))
    if logging.note:
        passed(logging.note)


@check("cert.must-staple-no-staple", severity="high", remedy="configure", source="RFC 7633 4.2.3", controls=CERTIFICATE)
def test_stapled_where_it_must(certificate: Certificate, observation: Observation) -> None:
    """Every address must staple an OCSP response if the certificate requires it (RFC 7633 4.2.3).

    Fix: Turn stapling on: `ssl_stapling on` and a `resolver` in nginx, `SSLUseStapling on` and an `SSLStaplingCache` in
    Apache, `tls_ocsp_file` in Exim. If the service cannot staple, or the certificate names no responder, order a new
    certificate without the TLS feature extension.
    """
    if not must_staple(certificate):
        not_applicable("the certificate does not require the server to staple")
    bare, names_responder = unstapled_addresses(certificate, observation), has_responder(certificate)
    why = "" if names_responder else ", and the certificate names no OCSP responder to fetch it from"
    require(not bare, f"{join_limited(bare)} staples no OCSP response though the certificate requires one{why}",
            observed=bare, required="a stapled OCSP response",
            remedy="configure" if names_responder else "reissue")  # fmt: skip


@check(
    "cert.staple-stale",
    severity="medium",
    remedy="configure",
    source="RFC 6960 3.2, 4.2.2.1; RFC 6066 8",
    controls=CERTIFICATE,
)
def test_staple_can_be_used(chain: Chain, observation: Observation, policy: Policy) -> None:
    """A stapled OCSP response must be current, authorized and about this certificate (RFC 6960 3.2).

    Fix: Make sure that the host reaches the OCSP responder and that its clock is right, and reload the service so that
    it fetches a new response. In Exim, replace the file of `tls_ocsp_file`.
    """
    if not stapled_handshakes(chain.leaf, observation):
        not_applicable("no OCSP response is stapled")
    faults = known(staple_faults(chain, observation, rules_of(policy, chain)))
    require(
        not faults, f"stapled at {join_clauses(faults)}", observed=faults, required="a response that clients can use"
    )


def _reload_or_reissue(observation: Observation, certificate: Certificate) -> str:
    """Return the remedy of an old certificate: a reload is enough if the host has its successor already."""
    return "reload" if successor(observation.server, certificate) else "reissue"
