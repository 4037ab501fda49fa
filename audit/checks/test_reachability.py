"""Checks of whether a service responds, with TLS, and with the same certificate at every address."""

from __future__ import annotations

from audit.analysis.addresses import leads_elsewhere, leaf_difference, one_address_only
from audit.analysis.host_facts import host_view
from audit.analysis.path_faults import faulty_chain
from audit.analysis.reachability import (
    described,
    faults_of_server,
    is_plaintext,
    no_handshake,
    reported_elsewhere,
    unobserved,
    unreachable_message,
    unreached_addresses,
)
from audit.checks import check
from audit.checks.assertions import end_if, known
from audit.observation import Observation
from audit.policy import Policy
from audit.policy.controls import HOST, LIFECYCLE, TRANSPORT
from audit.text import join_clauses, join_limited
from audit.verdict import require
from audit.x509.path.served_chain import Chain


@check(
    "svc.unreachable",
    severity="high",
    remedy="manual",
    source="RFC 9110 4.2.2; RFC 8314 3",
    scopes=("endpoint", "host"),
    controls=HOST,
)
def test_reachable(observation: Observation) -> None:
    """Every address of the endpoint must complete a TLS handshake (RFC 9110 4.2.2; RFC 8314 3).

    A name that does not resolve and a service without TLS are findings of their own. If this machine has no address
    family or no login, if the server says that it is busy, or if it accepts connections of its load balancer alone
    (PROXY protocol), the result is inconclusive.

    Fix: Start the service, open its port in the firewall, or remove the address that it does not listen on from the
    DNS. For a host: make its login work.
    """
    end_if(reported_elsewhere(observation))
    faults = faults_of_server(observation)
    require(not faults, unreachable_message(observation), observed=[f"{fault.stage} {fault.kind}" for fault in faults],
            required="a TLS handshake at every address",
            facts={"stages": sorted({fault.stage for fault in faults})})  # fmt: skip
    end_if(unobserved(observation))


@check("svc.not-started", severity="info", source="NIST SP 800-53 CM-7", scopes=("host",), controls=HOST)
def test_every_service_is_started(observation: Observation) -> None:
    """Every installed service that starts with the host should be running (NIST SP 800-53 CM-7).

    The checks of its endpoints are inconclusive. A service whose unit has failed is `svc.unreachable`.

    Fix: Start the service. If it is not used, disable it (`systemctl disable NAME`) or remove its package.
    """
    services = known(host_view(observation)).not_started
    require(not services, f"not running, although it starts with the host: {join_limited(services)}; start it, "
            "or disable or remove it", observed=services, required="services that run")  # fmt: skip


@check("svc.plaintext", severity="high", remedy="configure", source="RFC 9325 3.2; RFC 8314 3", controls=TRANSPORT)
def test_speaks_tls(observation: Observation) -> None:
    """The service must offer STARTTLS, and a TLS port must speak TLS (RFC 9325 3.2; RFC 8314 3).

    Fix: Turn TLS on: `ssl` after the port of `listen` in nginx, `SSLEngine on` in Apache, `ssl = required` in Dovecot,
    `smtpd_tls_security_level = may` in Postfix, `tls_advertise_hosts = *` in Exim, `TLSEngine on` in ProFTPD, `ssl`
    after `bind` in HAProxy.
    """
    faults = [described(failure) for failure in observation.failures if is_plaintext(failure)]
    require(not faults, join_clauses(faults), observed=faults, required="TLS")
    end_if(no_handshake(observation))


@check(
    "svc.multi-address",
    severity="medium",
    remedy="reload",
    source="RFC 9525 1.1; NIST SP 1800-16 Vol. B 5.2",
    controls=LIFECYCLE,
)
def test_same_certificate_at_every_address(observation: Observation, chains: tuple[Chain, ...], policy: Policy) -> None:
    """Every address of the name must serve the same certificate, to each connection (NIST SP 1800-16 Vol. B 5.2).

    An address that serves two certificates in turn has several servers behind it, or old processes that still serve.
    It is judged if every chain is sound by itself. Hosts that share the name but no key have a certificate each: of the
    same issuer, for the same names, and in force.

    Fix: Install the newest certificate at every address, and reload the services there.
    """
    end_if(no_handshake(observation) or one_address_only(observation))
    difference = leaf_difference(observation)
    if difference.message:
        end_if(leads_elsewhere(observation) or faulty_chain(chains, observation.endpoint, policy))
    require(not difference.message, difference.message, observed=difference.observed, required="one certificate")
    end_if(unreached_addresses(observation))
