"""Whether a CA would get through: the firewall that admits it, and a door that shows it the proof."""

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
HIDDEN = (Unread("firewall", "nobody gets no list of rules by 'nft -j list ruleset': you must be root"),)


def rules(*lines: str, policy: str = "DROP") -> Firewall:
    """Return a firewall of iptables with these rules for what comes in."""
    return Firewall(read_iptables("\n".join(["*filter", f":INPUT {policy} [0:0]", *lines, "COMMIT"]), 4))


def panel(firewall: Firewall, unread: tuple[Unread, ...] = ()) -> Observation:
    """Return what is seen of a panel's server with that firewall."""
    return observed(server=replace(host(), cpanel=CpanelState("1", firewall=firewall, unread=unread)), endpoint=HOST)


def admitted(address: str) -> str:
    return f"-A INPUT -s {address} -p tcp -m tcp --dport 80 -j ACCEPT"


OPEN = rules("-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT")
NARROW = rules(*map(admitted, LISTED))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("firewall", [Firewall(), OPEN, rules(policy="ACCEPT")])
def test_a_port_that_is_open_to_all_is_well(check: Callable[..., None], firewall: Firewall) -> None:
    assert passes(check, observation=panel(firewall))


def test_a_port_that_only_listed_addresses_get_to_is_one_finding_with_both_sentences() -> None:
    assert passes(LISTED_FIRST, observation=panel(NARROW))
    said = finding(WORLD, observation=panel(NARROW)).reason
    tried = len(sample_addresses(4))
    assert f"{tried} of {tried} sampled Internet addresses are refused at TCP port 80" in said
    assert "the default policy refuses it" in said
    assert "current practice: a CA fetches it from several places" in said
    assert "cPanel's script: Sectigo fetches the token from four addresses" in said


def test_a_port_that_is_closed_to_all_is_one_finding_that_names_the_rule_and_what_to_do() -> None:
    shut = rules("-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "-A INPUT -j REJECT --reject-with x", policy="ACCEPT")
    said = finding(LISTED_FIRST, observation=panel(shut)).reason
    assert said.startswith(
        f"TCP port 80 is closed to {', '.join(LISTED)}: iptables, table filter, chain INPUT, rule 2: "
    )
    assert "accept TCP port 80 before that rule" in said
    assert "cPanel's script" in said
    assert "current practice: " in said
    assert inconclusive(WORLD, observation=panel(shut)).because == "dcv.firewall"


def test_each_listed_address_that_is_missing_is_named() -> None:
    said = finding(LISTED_FIRST, observation=panel(rules(*map(admitted, LISTED[:3])))).reason
    assert "closed to 199.66.201.132: " in said
    assert LISTED[0] not in said.partition(";")[0]


def test_addresses_that_were_blocked_for_cause_are_no_finding() -> None:
    blocked = [
        f"-A INPUT -s {one} -j DROP" for one in sample_addresses(4)[: int(REFUSED_MAX * len(sample_addresses(4)))]
    ]
    assert passes(WORLD, observation=panel(rules(*blocked, policy="ACCEPT")))
    more = [
        f"-A INPUT -s {one} -j DROP" for one in sample_addresses(4)[: int(REFUSED_MAX * len(sample_addresses(4))) + 1]
    ]
    assert finding(WORLD, observation=panel(rules(*more, policy="ACCEPT")))


def test_countries_leave_the_listed_addresses_open_and_are_narrow() -> None:
    geo = (PacketRule("refuse", (Condition("country"),), text="CC_DENY"),)
    seen = panel(Firewall((RuleChain("csf", "TCP_IN", geo, 0),), ('CC_DENY = "CN" in /etc/csf/csf.conf',), "csf"))
    doubt = inconclusive(LISTED_FIRST, observation=seen).reason
    assert "it is not known whether 178.255.81.12 can connect to TCP port 80" in doubt
    said = finding(WORLD, observation=seen).reason
    assert 'some countries cannot connect to TCP port 80: CC_DENY = "CN"' in said
    assert "run `csf -r`" in said


@pytest.mark.parametrize("check", CHECKS)
def test_a_rule_that_is_not_known_leaves_it_open(check: Callable[..., None]) -> None:
    seen = panel(rules("-A INPUT -m set --match-set mine src -j ACCEPT"))
    assert "--match-set mine src" in inconclusive(check, observation=seen).reason


@pytest.mark.parametrize("check", CHECKS)
def test_rules_that_the_login_may_not_see_are_not_taken_for_none(check: Callable[..., None]) -> None:
    assert "you must be root" in inconclusive(check, observation=panel(OPEN, HIDDEN)).reason


@pytest.mark.parametrize("check", CHECKS)
def test_a_host_that_is_no_panels_is_not_judged(check: Callable[..., None]) -> None:
    seen = observed(server=host(), endpoint=HOST)
    assert not_applicable(check, observation=seen).reason


def test_what_is_refused_counts_though_not_all_rules_could_be_read() -> None:
    assert finding(LISTED_FIRST, observation=panel(rules(), HIDDEN))


def test_ipv6_is_judged_where_the_name_has_such_an_address() -> None:
    closed = (RuleChain("ip6tables, table filter", "INPUT", (), 0, "refuse", 6),)
    seen = panel(Firewall((*OPEN.chains, *closed)))
    assert passes(WORLD, observation=seen)
    said = finding(WORLD, observation=replace(seen, dns=DnsView("ok", ("192.0.2.7", "2001:db8::7"))))
    assert "2001:235:0:5afe::1001 by ip6tables" in said.reason


@pytest.mark.parametrize("version", [4, 6])
def test_sample_is_spread_over_the_internet_and_near_nobody_who_is_listed(version: int) -> None:
    addresses = [ipaddress.ip_address(one) for one in sample_addresses(version)]
    assert len(set(addresses)) == len(addresses) > (200 if version == 4 else 20)
    assert all(one.is_global and not one.is_multicast for one in addresses)
    near = {ipaddress.ip_network(f"{one}/16", strict=False) for one in LISTED}
    assert not any(one in network for one in addresses for network in near)


def test_a_firewall_comes_back_from_evidence_as_it_was() -> None:
    seen = panel(NARROW, HIDDEN)
    assert from_json(Observation, to_json(seen)) == seen


URL = "http://web1.example.com/.well-known/pki-validation/X.txt"
MISSING = HttpProbe(URL, "192.0.2.7", 404)
DOOR_OPEN, DOOR_LEADS = test_dcv.test_missing_token_is_answered_404, test_dcv.test_redirects_are_followed_by_cas


def at_doors(*doors: HttpProbe, firewall: Firewall = OPEN) -> Observation:
    """Return what is seen of a panel's server where these doors are knocked at."""
    return replace(panel(firewall), http_probes=doors, dns=DnsView("ok", ("192.0.2.7",)))


def sent(to: str, status: int = 301, url: str = URL) -> HttpProbe:
    return HttpProbe(url, "192.0.2.7", status, to)


def silent(url: str = URL, *, can_tell: bool = True) -> HttpProbe:
    return HttpProbe(url, "192.0.2.7", detail="192.0.2.7 does not answer", can_tell=can_tell)


@pytest.mark.parametrize("door", [MISSING, replace(MISSING, status=410), replace(MISSING, status=200)])
def test_a_door_that_says_the_file_is_not_there_is_open(door: HttpProbe) -> None:
    assert passes(DOOR_OPEN, observation=at_doors(door))
    assert passes(DOOR_LEADS, observation=at_doors(door))


@pytest.mark.parametrize("status", [400, 401, 403, 405, 421, 451, 500, 503])
def test_a_denial_or_an_error_is_found_with_server_and_beginning(status: int) -> None:
    door = HttpProbe(URL, "192.0.2.7", status, server="Apache", beginning="<h1>No</h1>")
    said = finding(DOOR_OPEN, observation=at_doors(MISSING, replace(door, address="192.0.2.8")))
    assert said.reason.startswith(f"{URL} at 192.0.2.8 returns {status} instead of 404 (server 'Apache'), and ")
    assert said.reason.endswith("the response begins '<h1>No</h1>'")
    assert said.remedy == "configure"


def test_an_address_without_an_answer_is_found_and_named() -> None:
    said = finding(DOOR_OPEN, observation=at_doors(MISSING, replace(silent(), address="2001:db8::7")))
    assert said.reason == f"{URL} at 2001:db8::7 gives no response: 192.0.2.7 does not answer"
    assert said.remedy == "host"


@pytest.mark.parametrize(
    ("firewall", "cause"), [(rules(), "dcv.firewall"), (NARROW, "dcv.firewall-narrow"), (OPEN, None)]
)
def test_a_port_that_the_firewall_closes_is_one_finding(firewall: Firewall, cause: str | None) -> None:
    seen = at_doors(silent(), firewall=firewall)
    if cause:
        assert inconclusive(DOOR_OPEN, observation=seen).because == cause
    else:
        assert finding(DOOR_OPEN, observation=seen)
    assert finding(DOOR_OPEN, observation=at_doors(replace(MISSING, status=500), firewall=firewall))


def test_where_this_machine_has_no_way_to_an_address_it_cannot_be_told() -> None:
    seen = at_doors(MISSING, replace(silent(can_tell=False), address="2001:db8::7"))
    assert "2001:db8::7 cannot be probed from here" in inconclusive(DOOR_OPEN, observation=seen).reason
    assert passes(DOOR_LEADS, observation=seen)


def test_a_way_that_ends_well_behind_redirects_is_well() -> None:
    https = "https://web1.example.com/x"
    seen = at_doors(sent("https://web1.example.com/x", 302), replace(MISSING, url=https))
    assert passes(DOOR_OPEN, observation=seen)
    assert passes(DOOR_LEADS, observation=seen)


def test_a_way_that_ends_in_nothing_names_both_ends() -> None:
    https = "https://web1.example.com/x"
    said = finding(DOOR_OPEN, observation=at_doors(sent(https), silent(https))).reason
    assert said == f"{URL} at 192.0.2.7 redirects to {https}, which gives no response: 192.0.2.7 does not answer"


def test_a_way_to_another_host_is_not_known_to_be_well() -> None:
    seen = at_doors(sent("//cdn.example.net/x"))
    doubt = inconclusive(DOOR_OPEN, observation=seen).reason
    assert "redirects to 'http://cdn.example.net/x', which was not probed" in doubt
    assert passes(DOOR_LEADS, observation=seen)


@pytest.mark.parametrize(
    ("door", "why"),
    [
        (sent("/b", 303), "a CA follows only the statuses 301, 302, 307 and 308"),
        (sent("/b", 300), "a CA follows only the statuses 301, 302, 307 and 308"),
        (sent("http://web1.example.com:8080/"), "a CA follows redirects only to the ports 80 and 443"),
        (sent("ftp://web1.example.com/"), "a CA follows redirects only to http and https"),
        (sent("http://web1.example.com:port/"), "it is not a URL"),
        (sent(URL), "the redirects form a loop"),
    ],
)
def test_a_redirect_that_no_ca_follows_is_one_finding_with_the_hop(door: HttpProbe, why: str) -> None:
    said = finding(DOOR_LEADS, observation=at_doors(door)).reason
    assert said.startswith(f"{URL} at 192.0.2.7 redirects with {door.status} to {door.location!r}: {why}")
    assert passes(DOOR_OPEN, observation=at_doors(door))


def test_a_redirect_without_end_is_one_that_no_ca_follows() -> None:
    hops = [sent(f"/{n + 1}", url=f"http://web1.example.com/{n}") for n in range(11)]
    assert "more than 11 redirects" in finding(DOOR_LEADS, observation=at_doors(*hops)).reason


@pytest.mark.parametrize("check", [DOOR_OPEN, DOOR_LEADS])
def test_a_door_that_nobody_knocked_at_is_neither_open_nor_closed(check: Callable[..., None]) -> None:
    assert inconclusive(check, observation=panel(OPEN)).because is None
    lost = replace(panel(OPEN), dns=DnsView("nxdomain"), http_probes=())
    assert inconclusive(check, observation=lost).because == "dns.unresolvable"
    nameless = replace(host(), fqdn="localhost", cpanel=CpanelState("1"))
    assert inconclusive(check, observation=observed(server=nameless, endpoint=HOST)).because == "host.name-invalid"
    assert not_applicable(check, observation=observed(server=host(), endpoint=HOST))
