"""Tests of the checks of domain control validation: the firewall, and the HTTP probe of a token."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import replace

import pytest

from audit.checks import test_dcv
from audit.firewall.exposure import LISTED, REFUSED_MAX, sample_addresses
from audit.firewall.iptables import read_iptables
from audit.json_codec import from_json, to_json
from audit.observation import DnsView, HttpProbe, Observation
from audit.observation.cpanel import CpanelState, Unread
from audit.observation.firewall import Condition, Firewall, PacketRule, RuleChain
from tests.support.endpoint_facts import HOST, host, observed
from tests.support.verdicts import finding, inconclusive, not_applicable, passes

CHECKS: list[Callable[..., None]] = [
    test_dcv.test_firewall_admits_the_listed_addresses,
    test_dcv.test_firewall_admits_the_world,
]
LISTED_FIRST, WORLD = CHECKS
HIDDEN = (Unread("firewall", "www-data gets no list of rules by 'nft -j list ruleset': you must be root"),)


def rules(*lines: str, policy: str = "DROP") -> Firewall:
    """Return a firewall of iptables with these INPUT rules."""
    return Firewall(read_iptables("\n".join(["*filter", f":INPUT {policy} [0:0]", *lines, "COMMIT"]), 4))


def panel(firewall: Firewall, unread: tuple[Unread, ...] = ()) -> Observation:
    """Return the observation of a panel's server with that firewall."""
    return observed(server=replace(host(), cpanel=CpanelState("1", firewall=firewall, unread=unread)), endpoint=HOST)


def admitted(address: str) -> str:
    return f"-A INPUT -s {address} -p tcp -m tcp --dport 80 -j ACCEPT"


OPEN = rules("-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT")
NARROW = rules(*map(admitted, LISTED))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("firewall", [Firewall(), OPEN, rules(policy="ACCEPT")])
def test_open_port_passes(check: Callable[..., None], firewall: Firewall) -> None:
    assert passes(check, observation=panel(firewall))


def test_port_open_to_listed_addresses_only_is_found_with_both_rules() -> None:
    assert passes(LISTED_FIRST, observation=panel(NARROW))
    found = finding(WORLD, observation=panel(NARROW)).reason
    tried = len(sample_addresses(4))
    assert f"{tried} of {tried} sampled Internet addresses are refused at TCP port 80" in found
    assert "the default policy refuses it" in found
    assert "current practice: a CA fetches it from several places" in found
    assert "cPanel's script: Sectigo fetches the token from four addresses" in found


def test_closed_port_is_found_with_its_rule_and_advice() -> None:
    shut = rules("-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "-A INPUT -j REJECT --reject-with x", policy="ACCEPT")
    found = finding(LISTED_FIRST, observation=panel(shut)).reason
    assert found.startswith(
        f"TCP port 80 is closed to {', '.join(LISTED)}: iptables, table filter, chain INPUT, rule 2: "
    )
    assert "accept TCP port 80 before that rule" in found
    assert "cPanel's script" in found
    assert "current practice: " in found
    assert inconclusive(WORLD, observation=panel(shut)).because == "dcv.firewall"


def test_each_refused_listed_address_is_named() -> None:
    found = finding(LISTED_FIRST, observation=panel(rules(*map(admitted, LISTED[:3])))).reason
    assert "closed to 199.66.201.132: " in found
    assert LISTED[0] not in found.partition(";")[0]


def test_small_share_of_refused_addresses_is_not_a_finding() -> None:
    blocked = [
        f"-A INPUT -s {address} -j DROP"
        for address in sample_addresses(4)[: int(REFUSED_MAX * len(sample_addresses(4)))]
    ]
    assert passes(WORLD, observation=panel(rules(*blocked, policy="ACCEPT")))
    more = [
        f"-A INPUT -s {address} -j DROP"
        for address in sample_addresses(4)[: int(REFUSED_MAX * len(sample_addresses(4))) + 1]
    ]
    assert finding(WORLD, observation=panel(rules(*more, policy="ACCEPT")))


def test_refused_countries_are_found() -> None:
    geo = (PacketRule("refuse", (Condition("country"),), text="CC_DENY"),)
    seen = panel(Firewall((RuleChain("csf", "TCP_IN", geo, 0),), ('CC_DENY = "CN" in /etc/csf/csf.conf',), "csf"))
    doubt = inconclusive(LISTED_FIRST, observation=seen).reason
    assert "it is not known whether 178.255.81.12 can connect to TCP port 80" in doubt
    found = finding(WORLD, observation=seen).reason
    assert 'some countries cannot connect to TCP port 80: CC_DENY = "CN"' in found
    assert "run `csf -r`" in found


@pytest.mark.parametrize("check", CHECKS)
def test_unknown_rule_is_inconclusive(check: Callable[..., None]) -> None:
    seen = panel(rules("-A INPUT -m set --match-set office src -j ACCEPT"))
    assert "--match-set office src" in inconclusive(check, observation=seen).reason


@pytest.mark.parametrize("check", CHECKS)
def test_unreadable_rules_are_inconclusive(check: Callable[..., None]) -> None:
    assert "you must be root" in inconclusive(check, observation=panel(OPEN, HIDDEN)).reason


@pytest.mark.parametrize("check", CHECKS)
def test_host_without_a_panel_is_not_applicable(check: Callable[..., None]) -> None:
    seen = observed(server=host(), endpoint=HOST)
    assert not_applicable(check, observation=seen).reason


def test_refusal_is_found_even_if_some_rules_are_unreadable() -> None:
    assert finding(LISTED_FIRST, observation=panel(rules(), HIDDEN))


def test_ipv6_is_checked_if_the_name_has_an_ipv6_address() -> None:
    closed = (RuleChain("ip6tables, table filter", "INPUT", (), 0, "refuse", 6),)
    seen = panel(Firewall((*OPEN.chains, *closed)))
    assert passes(WORLD, observation=seen)
    found = finding(WORLD, observation=replace(seen, dns=DnsView("ok", ("192.0.2.7", "2001:db8::7"))))
    assert "2001:235:0:5afe::1001 by ip6tables" in found.reason


@pytest.mark.parametrize("version", [4, 6])
def test_sampled_addresses_are_global_and_far_from_listed_ones(version: int) -> None:
    addresses = [ipaddress.ip_address(text) for text in sample_addresses(version)]
    assert len(set(addresses)) == len(addresses) > (200 if version == 4 else 20)
    assert all(address.is_global and not address.is_multicast for address in addresses)
    near = {ipaddress.ip_network(f"{address}/16", strict=False) for address in LISTED}
    assert not any(address in network for address in addresses for network in near)


def test_firewall_is_equal_after_json() -> None:
    seen = panel(NARROW, HIDDEN)
    assert from_json(Observation, to_json(seen)) == seen


URL = "http://web1.example.com/.well-known/pki-validation/X.txt"
MISSING = HttpProbe(URL, "192.0.2.7", 404)
SERVES_TOKEN, REDIRECTS_ALLOWED = (
    test_dcv.test_missing_token_is_answered_404,
    test_dcv.test_redirects_are_followed_by_cas,
)


def probed(*probes: HttpProbe, firewall: Firewall = OPEN) -> Observation:
    """Return the observation of a panel's server with these HTTP probes."""
    return replace(panel(firewall), http_probes=probes, dns=DnsView("ok", ("192.0.2.7",)))


def sent(to: str, status: int = 301, url: str = URL) -> HttpProbe:
    return HttpProbe(url, "192.0.2.7", status, to)


def silent(url: str = URL, *, can_tell: bool = True) -> HttpProbe:
    return HttpProbe(url, "192.0.2.7", detail="192.0.2.7 does not answer", can_tell=can_tell)


@pytest.mark.parametrize("probe", [MISSING, replace(MISSING, status=410), replace(MISSING, status=200)])
def test_response_404_passes(probe: HttpProbe) -> None:
    assert passes(SERVES_TOKEN, observation=probed(probe))
    assert passes(REDIRECTS_ALLOWED, observation=probed(probe))


@pytest.mark.parametrize("status", [400, 401, 403, 405, 421, 451, 500, 503])
def test_other_status_is_found_with_server_and_beginning(status: int) -> None:
    probe = HttpProbe(URL, "192.0.2.7", status, server="Apache", beginning="<h1>No</h1>")
    found = finding(SERVES_TOKEN, observation=probed(MISSING, replace(probe, address="192.0.2.8")))
    assert found.reason.startswith(f"{URL} at 192.0.2.8 returns {status} instead of 404 (server 'Apache'), and ")
    assert found.reason.endswith("the response begins '<h1>No</h1>'")
    assert found.remedy == "configure"


def test_address_without_a_response_is_found_and_named() -> None:
    found = finding(SERVES_TOKEN, observation=probed(MISSING, replace(silent(), address="2001:db8::7")))
    assert found.reason == f"{URL} at 2001:db8::7 gives no response: 192.0.2.7 does not answer"
    assert found.remedy == "host"


@pytest.mark.parametrize(
    ("firewall", "cause"), [(rules(), "dcv.firewall"), (NARROW, "dcv.firewall-narrow"), (OPEN, None)]
)
def test_probe_is_inconclusive_if_the_firewall_closes_the_port(firewall: Firewall, cause: str | None) -> None:
    seen = probed(silent(), firewall=firewall)
    if cause:
        assert inconclusive(SERVES_TOKEN, observation=seen).because == cause
    else:
        assert finding(SERVES_TOKEN, observation=seen)
    assert finding(SERVES_TOKEN, observation=probed(replace(MISSING, status=500), firewall=firewall))


def test_unreachable_network_is_inconclusive() -> None:
    seen = probed(MISSING, replace(silent(can_tell=False), address="2001:db8::7"))
    assert "2001:db8::7 cannot be probed from here" in inconclusive(SERVES_TOKEN, observation=seen).reason
    assert passes(REDIRECTS_ALLOWED, observation=seen)


def test_redirect_to_a_good_response_passes() -> None:
    https = "https://web1.example.com/x"
    seen = probed(sent("https://web1.example.com/x", 302), replace(MISSING, url=https))
    assert passes(SERVES_TOKEN, observation=seen)
    assert passes(REDIRECTS_ALLOWED, observation=seen)


def test_redirect_without_a_response_is_found_with_both_urls() -> None:
    https = "https://web1.example.com/x"
    found = finding(SERVES_TOKEN, observation=probed(sent(https), silent(https))).reason
    assert found == f"{URL} at 192.0.2.7 redirects to {https}, which gives no response: 192.0.2.7 does not answer"


def test_redirect_to_another_host_is_inconclusive() -> None:
    seen = probed(sent("//cdn.example.net/x"))
    doubt = inconclusive(SERVES_TOKEN, observation=seen).reason
    assert "redirects to 'http://cdn.example.net/x', which was not probed" in doubt
    assert passes(REDIRECTS_ALLOWED, observation=seen)


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        (sent("/b", 303), "a CA follows only the statuses 301, 302, 307 and 308"),
        (sent("/b", 300), "a CA follows only the statuses 301, 302, 307 and 308"),
        (sent("http://web1.example.com:8080/"), "a CA follows redirects only to the ports 80 and 443"),
        (sent("ftp://web1.example.com/"), "a CA follows redirects only to http and https"),
        (sent("http://web1.example.com:port/"), "it is not a URL"),
        (sent(URL), "the redirects form a loop"),
    ],
)
def test_redirect_that_no_ca_follows_is_found_with_the_hop(probe: HttpProbe, why: str) -> None:
    found = finding(REDIRECTS_ALLOWED, observation=probed(probe)).reason
    assert found.startswith(f"{URL} at 192.0.2.7 redirects with {probe.status} to {probe.location!r}: {why}")
    assert passes(SERVES_TOKEN, observation=probed(probe))


def test_endless_redirect_is_found() -> None:
    hops = [sent(f"/{n + 1}", url=f"http://web1.example.com/{n}") for n in range(11)]
    assert "more than 11 redirects" in finding(REDIRECTS_ALLOWED, observation=probed(*hops)).reason


@pytest.mark.parametrize("check", [SERVES_TOKEN, REDIRECTS_ALLOWED])
def test_missing_http_probe_is_inconclusive(check: Callable[..., None]) -> None:
    assert inconclusive(check, observation=panel(OPEN)).because is None
    lost = replace(panel(OPEN), dns=DnsView("nxdomain"), http_probes=())
    assert inconclusive(check, observation=lost).because == "dns.unresolvable"
    nameless = replace(host(), fqdn="localhost", cpanel=CpanelState("1"))
    assert inconclusive(check, observation=observed(server=nameless, endpoint=HOST)).because == "host.name-invalid"
    assert not_applicable(check, observation=observed(server=host(), endpoint=HOST))
