"""Tests of the checks of reachability and DNS: one fault is one finding."""

from __future__ import annotations

from dataclasses import replace

from audit.analysis.served_chains import served_chains
from audit.checks.test_dns import test_name_leads_to_this_host as leads_here
from audit.checks.test_dns import test_name_resolves as resolves
from audit.checks.test_installed import test_has_certificate_of_its_own as has_own
from audit.checks.test_protocol import test_no_old_protocol as no_old_protocol
from audit.checks.test_reachability import test_every_service_is_started as started
from audit.checks.test_reachability import test_reachable as reachable
from audit.checks.test_reachability import test_same_certificate_at_every_address as same_certificate
from audit.checks.test_reachability import test_speaks_tls as speaks_tls
from audit.observation import DnsView, FailureKind, Handshake, HostView, Observation, ProbeFailure, Stage
from audit.policy import Policy, load_profile
from audit.x509.path.served_chain import read_chain
from tests.support.endpoint_facts import (
    GOOD,
    HOST,
    INTERMEDIATE,
    WEBPKI,
    certificate_file,
    host,
    observed,
    public,
    served,
)
from tests.support.verdicts import PASS, Row, exempt, fail, require_verdict, unsure, verdicts
from tests.support.x509.certificates import DAY, NOW, Draft, key_named, leaf

HERE, THERE = "192.0.2.7", "192.0.2.8"
MODERN = Policy((load_profile("mozilla-modern"),), is_named=True)


def failed(kind: FailureKind, stage: Stage = "connect", address: str | None = HERE) -> ProbeFailure:
    """Return a failure of a kind."""
    return ProbeFailure(stage, kind, f"{kind} it was", address)


def of(seen: Observation, policy: Policy = WEBPKI) -> dict[str, object]:
    """Return the facts of an observation."""
    chains = tuple(read_chain(served.chain_der, public(), NOW) for served in served_chains(seen))
    return {"observation": seen, "server": seen.server, "chains": chains, "policy": policy}


def at(*handshakes: Handshake, policy: Policy = WEBPKI) -> dict[str, object]:
    """Return the facts of these handshakes."""
    return of(observed(*handshakes), policy)


def without(*failures: ProbeFailure) -> dict[str, object]:
    """Return the facts of an endpoint with these failures and no handshake."""
    return of(observed(failures=failures))


def login(server: HostView | None, *failures: ProbeFailure) -> dict[str, object]:
    """Return the facts of a host as a whole."""
    return of(observed(server=server, failures=failures, endpoint=HOST))


def unresolved(view: DnsView, *handshakes: Handshake, kind: FailureKind = "unresolvable") -> dict[str, object]:
    """Return the facts of a name without an address, of a host at which these handshakes were made."""
    return of(observed(*handshakes, failures=(failed(kind, "resolve", None),), dns=view))


NO_RESPONSE = unresolved(DnsView("timeout", detail="after 5 s"), kind="timeout")


@verdicts({
    "a handshake": (reachable, at(served()), PASS),
    "a handshake over TLS": (speaks_tls, at(served()), PASS),
    **{f"{kind}": (reachable, without(failed(kind)), fail(reason=f"192.0.2.7, connect: {kind} it was"))
       for kind in ("refused", "timeout", "unreachable", "closed", "rejected", "garbage", "alert")},
    **{f"{kind}, of this machine": (reachable, without(failed(kind)), unsure())
       for kind in ("no-family", "busy", "proxy-protocol")},
    "one address of two": (
        reachable, of(observed(served(), failures=(failed("refused", address=THERE),))), fail("; 192.0.2.7 answered"),
    ),
    "two stages": (
        reachable, without(failed("timeout"), failed("alert", "handshake"), failed("no-family", "connect")),
        fail(facts={"stages": ["connect", "handshake"]}),
    ),
    **{f"{kind}, {check.__name__}": (check, without(failed(kind, "starttls")), expected)
       for kind in ("not-offered", "plaintext")
       for check, expected in (
           (speaks_tls, fail()), (reachable, unsure(because="svc.plaintext")),
           (no_old_protocol, unsure(because="svc.plaintext")),
       )},
    **{f"{status}, {check.__name__}": (check, unresolved(DnsView(status)), expected)
       for status in ("nxdomain", "no-address", "servfail")
       for check, expected in (
           (resolves, fail("www.example.com ")), (reachable, unsure(because="dns.unresolvable")),
           (speaks_tls, unsure(because="dns.unresolvable")),
       )},
    "name without an address, host responds": (resolves, unresolved(DnsView("nxdomain"), served()), fail()),
    "host responds without a name": (reachable, unresolved(DnsView("nxdomain"), served()), PASS),
    "resolver without a response": (resolves, NO_RESPONSE, unsure()),
    "address without a response of the resolver": (reachable, NO_RESPONSE, unsure(because="dns.unresolvable")),
    "name with an address": (resolves, of(observed(served(), dns=DnsView("ok", (HERE,)))), PASS),
    "pinned address": (resolves, of(observed(served(), dns=DnsView("not-asked"))), exempt()),
    "no name": (resolves, at(served()), exempt()),
    "login fails": (reachable, login(None, failed("denied", "login", None)), unsure(reason="login: denied it was")),
    "login lacks a right": (
        reachable, login(replace(host(), missing_rights=("nginx -T: needs root",))), unsure("needs root"),
    ),
    "login": (reachable, login(host()), PASS),
    "service that was not started": (reachable, of(
        observed(failures=(failed("refused"),), server=replace(host(), not_started=("nginx",))),
    ), unsure(because="svc.not-started")),
    "another service was not started": (reachable, of(
        observed(failures=(failed("refused"),), server=replace(host(), not_started=("dovecot",))),
    ), fail()),
    "services that were not started": (started, login(replace(host(), not_started=("dovecot", "nginx"))), fail(
        reason="not running, although it starts with the host: dovecot, nginx; start it, or disable or remove it",
    )),
    "every service was started": (started, login(host()), PASS),
    "services without a login": (started, login(None), unsure(because="svc.unreachable")),
})  # fmt: skip
def test_one_fault_of_the_connection_is_one_finding(row: Row) -> None:
    require_verdict(row)


NAMED = leaf().by(INTERMEDIATE).named("www.example.com", "x.example.com")
TWIN = leaf().by(INTERMEDIATE).with_key(key_named("twin"))
OWN_TWIN = leaf().with_key(key_named("twin"))


def beside(twin: Draft, *addresses: str) -> dict[str, object]:
    """Return the facts of a name that serves another leaf at another address, on a host with these addresses."""
    shown = served(), served(twin, INTERMEDIATE, address=THERE)
    return of(observed(*shown, server=host(addresses=addresses) if addresses else None))


ELSEWHERE = of(observed(
    served(), served(OWN_TWIN, address=THERE), dns=DnsView("ok", (THERE,)),
    server=host(certificate_file(), addresses=("8.8.8.8", HERE)),
))  # fmt: skip


@verdicts({
    "the same": (same_certificate, at(served(), served(address=THERE)), PASS),
    "one address": (same_certificate, at(served()), exempt()),
    "one address, two certificates in turn": (
        same_certificate, of(replace(observed(served()), changed_handshakes=(served(NAMED, INTERMEDIATE),))),
        fail("different certificates in turn: 192.0.2.7: ", " and "),
    ),
    "others are named with their addresses": (same_certificate, beside(NAMED), fail("192.0.2.7: ", "192.0.2.8: ")),
    "another key on another host": (same_certificate, beside(TWIN, HERE), PASS),
    "another key on an unknown host": (same_certificate, beside(TWIN), fail()),
    "another key on the same host": (same_certificate, beside(TWIN, HERE, THERE), fail()),
    "other names on another host": (same_certificate, beside(NAMED, HERE), fail()),
    "expired on another host": (same_certificate, beside(TWIN.ending(NOW - DAY), HERE), unsure(because="cert.expired")),
    "another issuer on another host": (same_certificate, beside(OWN_TWIN, HERE), unsure(because="cert.self-signed")),
    "one is unreachable": (same_certificate, of(replace(
        observed(served(), failures=(failed("timeout", address=THERE),)), addresses=(HERE, THERE),
    )), unsure(because="svc.unreachable")),
    "the name is that of another host": (same_certificate, ELSEWHERE, unsure(because="dns.not-this-host")),
})  # fmt: skip
def test_certificate_is_the_same_at_every_address(row: Row) -> None:
    require_verdict(row)


def behind_nat(*handshakes: Handshake, server: HostView, status: str = "ok") -> dict[str, object]:
    """Return the facts of a name that leads to the address of a NAT, of a host with another one."""
    addresses = (HERE,) if status == "ok" else ()
    failures = () if handshakes else (failed("timeout"),)
    return of(observed(*handshakes, failures=failures, dns=DnsView(status, addresses), server=server))  # type: ignore[arg-type] # a table


INSIDE = host(certificate_file(), addresses=("10.0.0.5",))


@verdicts({
    "an address of the host": (leads_here, behind_nat(served(), server=host()), PASS),
    "an address of another host": (leads_here, ELSEWHERE, fail()),
    "a configured address": (leads_here, behind_nat(
        served(), server=replace(host(addresses=("10.0.0.5",)), configured_addresses=(HERE,)),
    ), PASS),
    "the host's key behind NAT": (leads_here, behind_nat(served(), server=INSIDE), PASS),
    "another key behind NAT": (leads_here, behind_nat(served(OWN_TWIN), server=INSIDE), fail("192.0.2.7")),
    "unknown key behind NAT": (
        leads_here, behind_nat(server=host(addresses=("10.0.0.5",))), unsure("addresses = "),
    ),
    "no address": (
        leads_here, behind_nat(served(), server=host(), status="nxdomain"), unsure(because="dns.unresolvable"),
    ),
    "no name": (leads_here, of(observed(served(), server=host())), exempt()),
})  # fmt: skip
def test_name_leads_to_this_host(row: Row) -> None:
    require_verdict(row)


@verdicts({
    "no old version": (no_old_protocol, at(served()), PASS),
    "two old versions": (no_old_protocol, at(served(), served(address=THERE, old=("TLSv1", "TLSv1.1"))), fail(
        reason="192.0.2.8 accepts TLSv1, which is forbidden; 192.0.2.8 accepts TLSv1.1, which is forbidden",
    )),
    "handshake with an old version": (no_old_protocol, at(replace(served(old=None), version="TLSv1.1")), fail()),
    "untested": (no_old_protocol, at(served(old=None)), unsure()),
    "untested because of a fault": (
        no_old_protocol, at(replace(served(old=None), unknown_versions="it was busy")),
        unsure("accepts TLS 1.0 or 1.1: it was busy (in another connection)"),
    ),
    "TLS 1.2, modern": (no_old_protocol, at(replace(served(), tls12=True), policy=MODERN), fail(
        reason="192.0.2.7 accepts TLSv1.2, which is forbidden",
    )),
    "no TLS 1.2, modern": (no_old_protocol, at(replace(served(), tls12=False), policy=MODERN), PASS),
    "TLS 1.2 untested, modern": (no_old_protocol, at(replace(served(), tls12=None), policy=MODERN), unsure("TLS 1.2")),
    "TLS 1.2, webpki": (no_old_protocol, at(replace(served(), tls12=True)), PASS),
    "handshake with TLS 1.2, modern": (
        no_old_protocol, at(replace(served(), version="TLSv1.2"), policy=MODERN),
        fail(reason="192.0.2.7 accepts TLSv1.2, which is forbidden"),
    ),
})  # fmt: skip
def test_old_version_is_found_with_its_address(row: Row) -> None:
    require_verdict(row)


@verdicts({
    "its own": (has_own, at(served(GOOD, INTERMEDIATE)), PASS),
    "unreachable": (has_own, without(failed("refused")), unsure(because="svc.unreachable")),
    "none": (has_own, at(replace(served(), chain_der=())), fail()),
    "default of a program": (
        has_own, at(served(replace(leaf(), subject="CN=TRAEFIK DEFAULT CERT"))), fail("TRAEFIK"),
    ),
    "placeholder": (has_own, of(observed(served(), server=replace(host(), snakeoil=True))), fail()),
})  # fmt: skip
def test_service_has_a_certificate_of_its_own(row: Row) -> None:
    require_verdict(row)
