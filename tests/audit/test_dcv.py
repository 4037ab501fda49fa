"""Whether a CA would get through: the firewall that admits it, and a door that shows it the proof."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from audit import test_dcv
from audit.firewall import Chain, Condition, Firewall, Rule
from audit.firewall_iptables import read_iptables
from audit.firewall_world import LISTED, REFUSED_MAX, world
from audit.observation import DnsView, Observation
from audit.record import from_json, to_json
from audit.upkeep import Unread, Upkeep
from tests.audit.facts import HOST, host, observed
from tests.audit.verdicts import finding, inconclusive, not_applicable, passes

CHECKS = [test_dcv.test_firewall_admits_the_listed_addresses, test_dcv.test_firewall_admits_the_world]
LISTED_FIRST, WORLD = CHECKS
HIDDEN = (Unread("firewall", "nobody gets no list of rules by 'nft -j list ruleset': you must be root"),)


def rules(*lines: str, policy: str = "DROP") -> Firewall:
    """Return a firewall of iptables with these rules for what comes in."""
    return Firewall(read_iptables("\n".join(["*filter", f":INPUT {policy} [0:0]", *lines, "COMMIT"]), 4))


def panel(firewall: Firewall, unread: tuple[Unread, ...] = ()) -> Observation:
    """Return what is seen of a panel's server with that firewall."""
    return observed(server=replace(host(), upkeep=Upkeep("1", firewall=firewall, unread=unread)), endpoint=HOST)


def admitted(address: str) -> str:
    return f"-A INPUT -s {address} -p tcp -m tcp --dport 80 -j ACCEPT"


OPEN = rules("-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT")
NARROW = rules(*map(admitted, LISTED))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("firewall", [Firewall(), OPEN, rules(policy="ACCEPT")])
def test_a_port_that_is_open_to_all_is_well(check: object, firewall: Firewall) -> None:
    assert passes(check, observation=panel(firewall))  # type: ignore[arg-type]  # a function of the table above


def test_a_port_that_only_listed_addresses_get_to_is_one_finding_with_both_sentences() -> None:
    assert passes(LISTED_FIRST, observation=panel(NARROW))
    said = finding(WORLD, observation=panel(NARROW)).reason
    assert f"of {len(world(4))} addresses all over the Internet {len(world(4))} are refused at TCP port 80" in said
    assert "the policy is to refuse" in said
    assert "today: a CA fetches it from several places of the world" in said
    assert "cPanel's script: Sectigo fetches the proof from four addresses" in said


def test_a_port_that_is_closed_to_all_is_one_finding_that_names_the_rule_and_what_to_do() -> None:
    shut = rules("-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "-A INPUT -j REJECT --reject-with x", policy="ACCEPT")
    said = finding(LISTED_FIRST, observation=panel(shut)).reason
    assert said.startswith(
        f"TCP port 80 is closed to {', '.join(LISTED)}: iptables, table filter, chain INPUT, rule 2: "
    )
    assert "let TCP port 80 in before that rule" in said
    assert "cPanel's script" in said
    assert "today: " in said
    assert inconclusive(WORLD, observation=panel(shut)).because == "dcv.firewall"


def test_each_listed_address_that_is_missing_is_named() -> None:
    said = finding(LISTED_FIRST, observation=panel(rules(*map(admitted, LISTED[:3])))).reason
    assert "closed to 199.66.201.132: " in said
    assert LISTED[0] not in said.partition(";")[0]


def test_addresses_that_were_blocked_for_cause_are_no_finding() -> None:
    blocked = [f"-A INPUT -s {one} -j DROP" for one in world(4)[: int(REFUSED_MAX * len(world(4)))]]
    assert passes(WORLD, observation=panel(rules(*blocked, policy="ACCEPT")))
    more = [f"-A INPUT -s {one} -j DROP" for one in world(4)[: int(REFUSED_MAX * len(world(4))) + 1]]
    assert finding(WORLD, observation=panel(rules(*more, policy="ACCEPT")))


def test_countries_leave_the_listed_addresses_open_and_are_narrow() -> None:
    geo = (Rule("refuse", (Condition("country"),), text="CC_DENY"),)
    seen = panel(Firewall((Chain("csf", "TCP_IN", geo, 0),), ('CC_DENY = "CN" in /etc/csf/csf.conf',), "csf"))
    assert (
        "178.255.81.12 is admitted to TCP port 80 cannot be told" in inconclusive(LISTED_FIRST, observation=seen).reason
    )
    said = finding(WORLD, observation=seen).reason
    assert 'not every country gets through to TCP port 80: CC_DENY = "CN"' in said
    assert "run `csf -r`" in said


@pytest.mark.parametrize("check", CHECKS)
def test_a_rule_that_is_not_known_leaves_it_open(check: object) -> None:
    seen = panel(rules("-A INPUT -m set --match-set mine src -j ACCEPT"))
    assert "--match-set mine src" in inconclusive(check, observation=seen).reason  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("check", CHECKS)
def test_rules_that_the_login_may_not_see_are_not_taken_for_none(check: object) -> None:
    assert "you must be root" in inconclusive(check, observation=panel(OPEN, HIDDEN)).reason  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("check", CHECKS)
def test_a_host_that_is_no_panels_is_not_judged(check: object) -> None:
    seen = observed(server=host(), endpoint=HOST)
    assert not_applicable(check, observation=seen).reason  # type: ignore[arg-type]  # as above


def test_what_is_refused_counts_though_not_all_rules_could_be_read() -> None:
    assert finding(LISTED_FIRST, observation=panel(rules(), HIDDEN))


def test_ipv6_is_judged_where_the_name_has_such_an_address() -> None:
    closed = (Chain("ip6tables, table filter", "INPUT", (), 0, "refuse", 6),)
    seen = panel(Firewall((*OPEN.chains, *closed)))
    assert passes(WORLD, observation=seen)
    said = finding(WORLD, observation=replace(seen, dns=DnsView("ok", ("192.0.2.7", "2001:db8::7"))))
    assert "2001:235:0:5afe::1001 by ip6tables" in said.reason


@pytest.mark.parametrize("version", [4, 6])
def test_the_world_is_spread_over_the_internet_and_near_nobody_who_is_listed(version: int) -> None:
    addresses = [ipaddress.ip_address(one) for one in world(version)]
    assert len(set(addresses)) == len(addresses) > (200 if version == 4 else 20)
    assert all(one.is_global and not one.is_multicast for one in addresses)
    near = {ipaddress.ip_network(f"{one}/16", strict=False) for one in LISTED}
    assert not any(one in network for one in addresses for network in near)


def test_a_firewall_comes_back_from_evidence_as_it_was() -> None:
    seen = panel(NARROW, HIDDEN)
    assert from_json(Observation, to_json(seen)) == seen
