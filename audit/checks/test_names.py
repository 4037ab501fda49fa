"""Checks of names: the certificate's for the endpoint, and the host's own."""

from __future__ import annotations

from audit.analysis.host_facts import own_host_name, unnamed_container
from audit.analysis.installed_files import covering
from audit.analysis.lint_scope import rule_faults, unbound_issuer
from audit.analysis.placeholder import no_own_certificate
from audit.checks import check
from audit.checks.assertions import end_if, known, require_rules
from audit.endpoint import Endpoint
from audit.observation import Observation
from audit.policy import Policy
from audit.policy.controls import CERTIFICATE, KEYS, NAMING
from audit.text import join_clauses, join_limited
from audit.verdict import inconclusive, not_applicable, require
from audit.x509.certificate import Certificate
from audit.x509.identifiers import covers_name, host_name_faults, presented_identifiers, wildcard_faults, wildcards
from audit.x509.lint.names import NAME_RULES
from audit.x509.path.served_chain import Chain


@check(
    "cert.name-mismatch",
    severity="critical",
    remedy="reissue",
    source="RFC 9525 6; CWE-297",
    controls=CERTIFICATE | NAMING,
)
def test_name_matches(endpoint: Endpoint, certificate: Certificate, observation: Observation, policy: Policy) -> None:
    """The certificate must be valid for the name or address that clients connect to (RFC 9525 6).

    Fix: Order a certificate for this name. If the message names a certificate on the host that is valid for it, use
    that one: check `server_name` in nginx, `ServerName` and `ServerAlias` in Apache, `local_name` in Dovecot,
    `tls_server_sni_maps` in Postfix, the `crt` list in HAProxy.
    """
    end_if(no_own_certificate(observation, policy) or unnamed_container(observation))
    if not certificate.has_san:
        inconclusive("the certificate has no name that clients look at", because="cert.san-missing")
    names, fitting = join_limited(presented_identifiers(certificate)), covering(observation.server, endpoint.reference)
    at_hand = f"; {fitting} on the host is valid for it" if fitting else ""
    require(covers_name(certificate, endpoint.reference), f"valid for {names}, not for {endpoint.reference}{at_hand}",
            observed=presented_identifiers(certificate), required=endpoint.reference,
            remedy="configure" if fitting else "reissue")  # fmt: skip


@check("cert.internal-name", severity="medium", remedy="reissue", source="BR 4.2.2, 7.1.2.7.12", controls=NAMING)
def test_names_are_public(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """Every name must be in the public DNS and every address must be public (BR 4.2.2).

    Fix: Order a certificate without internal names, which public CAs must not certify. Use a private CA for these
    names.
    """
    end_if(unbound_issuer(chain, observation, policy))
    require_rules(rule_faults(certificate, NAME_RULES))


@check("cert.wildcard-scope", severity="low", source="NSA U/OO/203408-21 (ALPACA); BR 3.2.2.6", controls=KEYS)
def test_wildcard_is_of_one_service(endpoint: Endpoint, certificate: Certificate) -> None:
    """A wildcard should be used only for web servers (NSA U/OO/203408-21).

    Fix: Order a certificate with only the names of this mail or FTP server. The key of a wildcard is valid for every
    website of the domain.
    """
    if not wildcards(certificate):
        not_applicable("the certificate has no wildcard")
    faults = wildcard_faults(certificate, endpoint)
    require(not faults, join_clauses(faults), observed=wildcards(certificate), required="the names of this service")


@check(
    "host.name-invalid",
    severity="high",
    remedy="host",
    source="RFC 1123 2.1; RFC 1035 2.3.4",
    scopes=("host",),
    controls=NAMING,
)
def test_host_name_is_fully_qualified(observation: Observation) -> None:
    """The host's own name must be a valid host name with a domain (RFC 1123 2.1; RFC 1035 2.3.4).

    Fix: Set a fully qualified name with `hostnamectl set-hostname`, on a cPanel server with
    `/usr/local/cpanel/bin/set_hostname`.
    """
    name = known(own_host_name(observation))
    faults = host_name_faults(name)
    require(not faults, f"the host name {name!r} is invalid: {join_clauses(faults)}",
            observed=name, required="a fully qualified host name")  # fmt: skip
