"""Checks of names: the certificate's for the endpoint, and the host's own."""

from __future__ import annotations

from audit.analysis.installed_files import covering
from audit.analysis.lint_scope import require_bound, require_rules
from audit.analysis.placeholder import require_own
from audit.analysis.reachability import UNREACHABLE
from audit.checks import check
from audit.endpoint import Endpoint
from audit.observation import Observation
from audit.policy import Policy
from audit.text import listing, sentence
from audit.verdict import inconclusive, not_applicable, require
from audit.x509.certificate import Certificate
from audit.x509.identifiers import covers_name, host_name_faults, presented_identifiers, wildcard_faults, wildcards
from audit.x509.lint.names import NAME_RULES
from audit.x509.path.served_chain import Chain


@check("cert.name-mismatch", severity="critical", remedy="reissue", source="RFC 9525 6; CWE-297")
def test_name_matches(endpoint: Endpoint, certificate: Certificate, observation: Observation, policy: Policy) -> None:
    """A presented identifier matches the name or address that clients mean to talk to."""
    require_own(observation, policy)
    if not certificate.has_san:
        inconclusive("no name that clients look at is in the certificate", because="cert.san-missing")
    fitting, names = covering(observation.server, endpoint.reference), listing(presented_identifiers(certificate))
    at_hand = f"; {fitting} on the host is valid for it" if fitting else ""
    require(covers_name(certificate, endpoint.reference), f"valid for {names}, not for {endpoint.reference}{at_hand}",
            observed=presented_identifiers(certificate), required=endpoint.reference,
            remedy="configure" if fitting else "reissue")  # fmt: skip


@check("cert.internal-name", severity="medium", remedy="reissue", source="BR 4.2.2, 7.1.2.7.12")
def test_names_are_public(certificate: Certificate, chain: Chain, observation: Observation, policy: Policy) -> None:
    """Every name is one of the public DNS and every address a public one: no public CA may certify any other."""
    require_bound(chain, observation, policy)
    require_rules(certificate, NAME_RULES)


@check("cert.wildcard-scope", severity="low", source="NSA U/OO/203408-21 (ALPACA); BR 3.2.2.6")
def test_wildcard_is_of_one_service(endpoint: Endpoint, certificate: Certificate) -> None:
    """A wildcard is for web sites of one domain: the key of another service is not also that of all of them."""
    if not wildcards(certificate):
        not_applicable("the certificate has no wildcard")
    faults = wildcard_faults(certificate, endpoint)
    require(not faults, sentence(faults), observed=wildcards(certificate), required="the names of this service")


@check("host.name-invalid", severity="high", remedy="host", source="RFC 1123 2.1; RFC 1035 2.3.4", scopes=("host",))
def test_host_name_is_fully_qualified(observation: Observation) -> None:
    """The host's own name is a legal host name with a domain."""
    if observation.server is None:
        inconclusive("the host was not logged into", because=UNREACHABLE)
    if observation.server.fqdn is None:
        inconclusive(sentence(("the host's own name could not be told", *observation.server.missing_rights)))
    faults = host_name_faults(observation.server.fqdn)
    require(not faults, f"the host calls itself {observation.server.fqdn!r}: {sentence(faults)}",
            observed=observation.server.fqdn, required="a fully qualified host name")  # fmt: skip
