"""Tests of the checks of reachability and DNS: one fault is one finding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.analysis.served_chains import served_chains
from audit.checks import test_dns, test_installed, test_protocol, test_reachability
from audit.observation import DnsView, FailureKind, Observation, ProbeFailure, Stage
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
from tests.support.verdicts import finding, inconclusive, not_applicable, passes
from tests.support.x509.certificates import DAY, NOW, Draft, key_named, leaf

HERE, THERE = "192.0.2.7", "192.0.2.8"


def failed(kind: FailureKind, stage: Stage = "connect", address: str | None = HERE) -> ProbeFailure:
    """Return a failure of a kind."""
    return ProbeFailure(stage, kind, f"{kind} it was", address)


def same(seen: Observation) -> dict[str, object]:
    """Return the facts that the check of several addresses needs."""
    chains = tuple(read_chain(served.chain_der, public(), NOW) for served in served_chains(seen))
    return {"observation": seen, "chains": chains, "policy": WEBPKI}


def test_endpoint_with_a_handshake_is_reachable() -> None:
    assert passes(test_reachability.test_reachable, observation=observed(served()))
    assert passes(test_reachability.test_speaks_tls, observation=observed(served()))


@pytest.mark.parametrize("kind", ["refused", "timeout", "unreachable", "closed", "rejected", "garbage", "alert"])
def test_unreachable_endpoint_is_found_with_the_stage(kind: FailureKind) -> None:
    found = finding(test_reachability.test_reachable, observation=observed(failures=(failed(kind),)))
    assert found.reason == f"192.0.2.7, connect: {kind} it was"


def test_unreachable_address_of_two_is_found() -> None:
    seen = observed(served(), failures=(failed("refused", address=THERE),))
    assert finding(test_reachability.test_reachable, observation=seen).reason.endswith("; 192.0.2.7 answered")


def test_stages_that_failed_are_data_of_the_finding() -> None:
    seen = observed(failures=(failed("timeout"), failed("alert", "handshake"), failed("no-family", "connect")))
    assert finding(test_reachability.test_reachable, observation=seen).facts == {"stages": ["connect", "handshake"]}


@pytest.mark.parametrize("kind", ["no-family", "busy"])
def test_failure_of_this_machine_is_inconclusive(kind: FailureKind) -> None:
    assert (
        inconclusive(test_reachability.test_reachable, observation=observed(failures=(failed(kind),))).because is None
    )


@pytest.mark.parametrize("kind", ["not-offered", "plaintext"])
def test_service_without_tls_is_plaintext_and_not_unreachable(kind: FailureKind) -> None:
    seen = observed(failures=(failed(kind, "starttls"),))
    assert finding(test_reachability.test_speaks_tls, observation=seen)
    assert inconclusive(test_reachability.test_reachable, observation=seen).because == "svc.plaintext"
    assert inconclusive(test_protocol.test_no_old_protocol, observation=seen, policy=WEBPKI).because == "svc.plaintext"


@pytest.mark.parametrize("status", ["nxdomain", "no-address", "servfail"])
def test_name_without_an_address_is_unresolvable_and_not_unreachable(status: str) -> None:
    seen = observed(failures=(failed("unresolvable", "resolve", None),), dns=DnsView(status))  # type: ignore[arg-type] # a table
    assert finding(test_dns.test_name_resolves, observation=seen).reason.startswith("www.example.com ")
    assert inconclusive(test_reachability.test_reachable, observation=seen).because == "dns.unresolvable"
    assert inconclusive(test_reachability.test_speaks_tls, observation=seen).because == "dns.unresolvable"


def test_name_without_an_address_on_a_reachable_host_is_one_finding() -> None:
    seen = observed(served(), failures=(failed("unresolvable", "resolve", None),), dns=DnsView("nxdomain"))
    assert finding(test_dns.test_name_resolves, observation=seen)
    assert passes(test_reachability.test_reachable, observation=seen)


def test_resolver_without_a_response_is_inconclusive() -> None:
    seen = observed(failures=(failed("timeout", "resolve", None),), dns=DnsView("timeout", detail="after 5 s"))
    assert inconclusive(test_dns.test_name_resolves, observation=seen).because is None
    assert inconclusive(test_reachability.test_reachable, observation=seen).because == "dns.unresolvable"


def test_name_with_an_address_passes_and_a_pinned_one_is_not_applicable() -> None:
    assert passes(test_dns.test_name_resolves, observation=observed(served(), dns=DnsView("ok", (HERE,))))
    assert not_applicable(test_dns.test_name_resolves, observation=observed(served(), dns=DnsView("not-asked")))
    assert not_applicable(test_dns.test_name_resolves, observation=observed(served()))


def test_host_without_a_login_is_inconclusive() -> None:
    seen = observed(failures=(failed("denied", "login", None),), endpoint=HOST)
    assert inconclusive(test_reachability.test_reachable, observation=seen).reason == "login: denied it was"


def test_missing_right_of_the_login_is_named() -> None:
    seen = observed(server=replace(host(), missing_rights=("nginx -T: needs root",)), endpoint=HOST)
    assert "needs root" in inconclusive(test_reachability.test_reachable, observation=seen).reason
    assert passes(test_reachability.test_reachable, observation=observed(server=host(), endpoint=HOST))


def test_same_certificate_at_every_address_passes() -> None:
    check = test_reachability.test_same_certificate_at_every_address
    assert passes(check, **same(observed(served(), served(address=THERE))))
    assert not_applicable(check, **same(observed(served())))


def test_different_certificates_are_found_with_their_addresses() -> None:
    other = leaf().by(INTERMEDIATE).named("www.example.com", "x.example.com")
    seen = observed(served(), served(other, INTERMEDIATE, address=THERE))
    found = finding(test_reachability.test_same_certificate_at_every_address, **same(seen))
    assert "192.0.2.7: " in found.reason
    assert "192.0.2.8: " in found.reason


@pytest.mark.parametrize(
    ("twin", "because"),
    [
        (leaf().by(INTERMEDIATE).with_key(key_named("twin")), None),
        (leaf().by(INTERMEDIATE).named("www.example.com", "x.example.com"), ""),
        (leaf().by(INTERMEDIATE).with_key(key_named("twin")).ending(NOW - DAY), "cert.expired"),
        (leaf().with_key(key_named("twin")), "cert.self-signed"),
    ],
    ids=["of the same issuer, for the same names", "for other names", "expired", "of another issuer"],
)
def test_hosts_with_one_name_may_have_different_keys(twin: Draft, because: str | None) -> None:
    check = test_reachability.test_same_certificate_at_every_address
    seen = observed(served(), served(twin, INTERMEDIATE, address=THERE), server=host(addresses=(HERE,)))
    if because is None:
        assert passes(check, **same(seen))
        assert finding(check, **same(replace(seen, server=None)))  # without a login the host of an address is unknown
        assert finding(check, **same(replace(seen, server=host(addresses=(HERE, THERE)))))
    elif because:
        assert inconclusive(check, **same(seen)).because == because
    else:
        assert finding(check, **same(seen))


def test_unreachable_address_makes_the_comparison_inconclusive() -> None:
    seen = replace(observed(served(), failures=(failed("timeout", address=THERE),)), addresses=(HERE, THERE))
    judgement = inconclusive(test_reachability.test_same_certificate_at_every_address, **same(seen))
    assert judgement.because == "svc.unreachable"


def test_name_of_another_host_makes_the_comparison_inconclusive() -> None:
    other = served(leaf().with_key(key_named("twin")), address=THERE)
    seen = observed(
        served(), other, dns=DnsView("ok", (THERE,)), server=host(certificate_file(), addresses=("8.8.8.8", HERE))
    )
    assert finding(test_dns.test_name_leads_to_this_host, observation=seen, server=seen.server)
    judgement = inconclusive(test_reachability.test_same_certificate_at_every_address, **same(seen))
    assert judgement.because == "dns.not-this-host"


def test_name_with_an_address_of_the_host_passes() -> None:
    seen = observed(served(), dns=DnsView("ok", (HERE,)), server=host())
    assert passes(test_dns.test_name_leads_to_this_host, observation=seen, server=seen.server)


def test_configured_address_is_an_address_of_the_host() -> None:
    behind_nat = replace(host(addresses=("10.0.0.5",)), configured_addresses=(HERE,))
    seen = observed(served(), dns=DnsView("ok", (HERE,)), server=behind_nat)
    assert passes(test_dns.test_name_leads_to_this_host, observation=seen, server=behind_nat)


def test_host_key_at_the_address_behind_nat_passes() -> None:
    behind_nat = host(certificate_file(), addresses=("10.0.0.5",))
    seen = observed(served(), dns=DnsView("ok", (HERE,)), server=behind_nat)
    assert passes(test_dns.test_name_leads_to_this_host, observation=seen, server=behind_nat)


def test_other_key_at_the_address_behind_nat_is_found() -> None:
    behind_nat = host(certificate_file(), addresses=("10.0.0.5",))
    other = served(leaf().with_key(key_named("twin")))
    seen = observed(other, dns=DnsView("ok", (HERE,)), server=behind_nat)
    assert "192.0.2.7" in finding(test_dns.test_name_leads_to_this_host, observation=seen, server=behind_nat).reason


def test_unknown_key_behind_nat_is_inconclusive_with_the_setting() -> None:
    behind_nat = host(addresses=("10.0.0.5",))
    seen = observed(failures=(failed("timeout"),), dns=DnsView("ok", (HERE,)), server=behind_nat)
    assert "addresses = " in inconclusive(
        test_dns.test_name_leads_to_this_host, observation=seen, server=behind_nat
    ).reason  # fmt: skip


def test_host_of_a_name_without_an_address_is_inconclusive() -> None:
    seen = observed(served(), dns=DnsView("nxdomain"), server=host())
    judgement = inconclusive(test_dns.test_name_leads_to_this_host, observation=seen, server=seen.server)
    assert judgement.because == "dns.unresolvable"
    assert not_applicable(test_dns.test_name_leads_to_this_host, observation=observed(served()), server=host())


def test_server_without_old_versions_passes() -> None:
    assert passes(test_protocol.test_no_old_protocol, observation=observed(served()), policy=WEBPKI)


def test_old_version_is_found_with_its_address() -> None:
    seen = observed(served(), served(address=THERE, old=("TLSv1", "TLSv1.1")))
    found = finding(test_protocol.test_no_old_protocol, observation=seen, policy=WEBPKI)
    assert found.reason == "192.0.2.8 accepts TLSv1, which is forbidden; 192.0.2.8 accepts TLSv1.1, which is forbidden"


def test_handshake_with_an_old_version_is_found() -> None:
    seen = observed(replace(served(old=None), version="TLSv1.1"))
    assert finding(test_protocol.test_no_old_protocol, observation=seen, policy=WEBPKI)


def test_untested_old_versions_are_inconclusive() -> None:
    seen = observed(served(old=None))
    assert inconclusive(test_protocol.test_no_old_protocol, observation=seen, policy=WEBPKI).because is None


def test_service_with_its_own_certificate_passes() -> None:
    check = test_installed.test_has_certificate_of_its_own
    assert passes(check, observation=observed(served(GOOD, INTERMEDIATE)), policy=WEBPKI)
    judgement = inconclusive(check, observation=observed(failures=(failed("refused"),)), policy=WEBPKI)
    assert judgement.because == "svc.unreachable"


def test_missing_certificate_and_placeholder_are_found() -> None:
    check = test_installed.test_has_certificate_of_its_own
    assert finding(check, observation=observed(replace(served(), chain_der=())), policy=WEBPKI)
    default = replace(leaf(), subject="CN=TRAEFIK DEFAULT CERT")
    assert "TRAEFIK" in finding(check, observation=observed(served(default)), policy=WEBPKI).reason
    assert finding(check, observation=observed(served(), server=replace(host(), snakeoil=True)), policy=WEBPKI)


def test_tls_1_2_is_found_if_the_policy_forbids_it() -> None:
    modern = Policy((load_profile("mozilla-modern"),), is_named=True)
    judge = test_protocol.test_no_old_protocol
    observations = {tls12: observed(replace(served(), tls12=tls12)) for tls12 in (True, False, None)}
    assert (
        finding(judge, observation=observations[True], policy=modern).reason
        == "192.0.2.7 accepts TLSv1.2, which is forbidden"
    )
    assert passes(judge, observation=observations[False], policy=modern)
    assert "TLS 1.2" in inconclusive(judge, observation=observations[None], policy=modern).reason
    assert passes(judge, observation=observations[True], policy=WEBPKI)
    picked = observed(replace(served(), version="TLSv1.2"))
    assert finding(judge, observation=picked, policy=modern).reason == "192.0.2.7 accepts TLSv1.2, which is forbidden"
