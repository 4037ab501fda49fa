"""Tests of the checks of domain control validation: the firewall, and the HTTP probe of a token."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from audit.checks.test_dcv import test_firewall_admits_the_listed_addresses as listed_first
from audit.checks.test_dcv import test_firewall_admits_the_world as world
from audit.checks.test_dcv import test_missing_token_is_answered_404 as serves_token
from audit.checks.test_dcv import test_redirects_are_followed_by_cas as redirects
from audit.firewall.exposure import LISTED, REFUSED_MAX, sample_addresses
from audit.firewall.iptables import read_iptables
from audit.json_codec import from_json, to_json
from audit.observation import DnsView, HttpProbe, Observation
from audit.observation.cpanel import CpanelState, Unread
from audit.observation.firewall import Condition, Firewall, HttpValidation, PacketRule, RuleChain
from tests.support.endpoint_facts import HOST, host, observed
from tests.support.verdicts import PASS, Check, Expected, Row, exempt, fail, require_verdict, unsure, verdicts

HIDDEN = (Unread("firewall", "www-data gets no list of rules by 'nft -j list ruleset': you must be root"),)
URL = "http://web1.example.com/.well-known/pki-validation/X.txt"
HTTPS = "https://web1.example.com/x"
MISSING = HttpProbe(URL, "192.0.2.7", 404)


def rules(*lines: str, policy: str = "DROP") -> Firewall:
    """Return a firewall of iptables with these INPUT rules."""
    return Firewall(read_iptables("\n".join(["*filter", f":INPUT {policy} [0:0]", *lines, "COMMIT"]), 4))


def panel(firewall: Firewall, unread: tuple[Unread, ...] = ()) -> Observation:
    """Return the observation of a panel's server with that firewall."""
    return observed(server=replace(host(), cpanel=CpanelState("1", firewall=firewall, unread=unread)), endpoint=HOST)


def behind(firewall: Firewall, unread: tuple[Unread, ...] = ()) -> dict[str, object]:
    """Return the facts of a panel's server with that firewall."""
    return {"observation": panel(firewall, unread)}


def admitted(address: str) -> str:
    return f"-A INPUT -s {address} -p tcp -m tcp --dport 80 -j ACCEPT"


def refusing(number: int) -> dict[str, object]:
    """Return the facts of a firewall that refuses as many of the sampled addresses."""
    blocked = (f"-A INPUT -s {address} -j DROP" for address in sample_addresses(4)[:number])
    return behind(rules(*blocked, policy="ACCEPT"))


OPEN = rules("-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT")
NARROW = rules(*map(admitted, LISTED))
SHUT = rules("-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "-A INPUT -j REJECT --reject-with x", policy="ACCEPT")
UNKNOWN = rules("-A INPUT -m set --match-set office src -j ACCEPT")
COUNTRIES = Firewall(
    (RuleChain("csf", "TCP_IN", (PacketRule("refuse", (Condition("country"),), text="CC_DENY"),), 0),),
    ('CC_DENY = "CN" in /etc/csf/csf.conf',), "csf",
)  # fmt: skip
SAMPLED = len(sample_addresses(4))
NO_IPV6_RULES = Firewall((*OPEN.chains, RuleChain("ip6tables, table filter", "INPUT", (), 0, "refuse", 6)))
NO_IPV6 = panel(NO_IPV6_RULES)
WITH_IPV6 = replace(NO_IPV6, dns=DnsView("ok", ("192.0.2.7", "2001:db8::7")))


@verdicts({
    **{f"{name}: {check.__name__}": (check, facts, expected)
       for check in (listed_first, world)
       for name, facts, expected in (
           ("no firewall", behind(Firewall()), PASS),
           ("open port", behind(OPEN), PASS),
           ("policy accept", behind(rules(policy="ACCEPT")), PASS),
           ("unknown rule", behind(UNKNOWN), unsure("--match-set office src")),
           ("unreadable rules", behind(OPEN, HIDDEN), unsure("you must be root")),
           ("no panel", {"observation": observed(server=host(), endpoint=HOST)}, exempt()),
       )},
    "open to the listed addresses": (listed_first, behind(NARROW), PASS),
    "open to no other address": (world, behind(NARROW), fail(
        f"{SAMPLED} of {SAMPLED} sampled Internet addresses are refused at TCP port 80",
        "the default policy refuses it", "current practice: a CA fetches it from several places",
        "cPanel's script: Sectigo fetches the token from four addresses",
    )),
    "closed port makes the narrow one uncertain": (world, behind(SHUT), unsure(because="dcv.firewall")),
    "refusal beside unreadable rules": (listed_first, behind(rules(), HIDDEN), fail()),
    "small share is refused": (world, refusing(int(REFUSED_MAX * SAMPLED)), PASS),
    "larger share is refused": (world, refusing(int(REFUSED_MAX * SAMPLED) + 1), fail()),
    "countries, listed addresses": (
        listed_first, behind(COUNTRIES), unsure("it is not known whether 178.255.81.12 can connect to TCP port 80"),
    ),
    "countries, the world": (world, behind(COUNTRIES), fail(
        'some countries cannot connect to TCP port 80: CC_DENY = "CN"', "run `csf -r`",
    )),
    "closed to IPv6, and the name has none": (world, {"observation": NO_IPV6}, PASS),
    "closed to IPv6 of the name": (world, {"observation": WITH_IPV6}, fail("2001:235:0:5afe::1001 by ip6tables")),
})  # fmt: skip
def test_firewall_admits_listed_addresses_and_the_world(row: Row) -> None:
    require_verdict(row)


def test_closed_port_is_found_with_its_rule_and_advice() -> None:
    beginning = f"TCP port 80 is closed to {', '.join(LISTED)}: iptables, table filter, chain INPUT, rule 2: "
    advice = ("accept TCP port 80 before that rule", "cPanel's script", "current practice: ")
    require_verdict((listed_first, behind(SHUT), fail(beginning, *advice)))


def test_each_refused_listed_address_is_named() -> None:
    require_verdict((listed_first, behind(rules(*map(admitted, LISTED[:3]))), fail("is closed to 199.66.201.132: ")))


@pytest.mark.parametrize("version", [4, 6])
def test_sampled_addresses_are_global_and_far_from_listed_ones(version: int) -> None:
    addresses = [ipaddress.ip_address(text) for text in sample_addresses(version)]
    assert len(set(addresses)) == len(addresses) == {4: 221, 6: 26}[version]
    offsets = [(int(address) >> 96) - 0x35 * (place % 2 + 1) for place, address in enumerate(addresses)]
    assert version == 4 or all(offset % 0x200 == 0 for offset in offsets)  # from the beginning of each block
    assert all(address.is_global and not address.is_multicast for address in addresses)
    near = {ipaddress.ip_network(f"{address}/16", strict=False) for address in LISTED}
    assert not any(address in network for address in addresses for network in near)


def test_firewall_is_equal_after_json() -> None:
    seen = panel(NARROW, HIDDEN)
    assert from_json(Observation, to_json(seen)) == seen


def probed(*probes: HttpProbe, firewall: Firewall = OPEN) -> dict[str, object]:
    """Return the facts of a panel's server with these HTTP probes."""
    return {"observation": replace(panel(firewall), http_probes=probes, dns=DnsView("ok", ("192.0.2.7",)))}


def sent(to: str, status: int = 301, url: str = URL) -> HttpProbe:
    return HttpProbe(url, "192.0.2.7", status, to)


def silent(url: str = URL, *, can_tell: bool = True, address: str = "192.0.2.7") -> HttpProbe:
    return HttpProbe(url, address, detail="192.0.2.7 does not answer", can_tell=can_tell)


def returning(status: int) -> HttpProbe:
    return HttpProbe(URL, "192.0.2.8", status, server="Apache", beginning="<h1>No</h1>")


ERROR = replace(MISSING, status=500)
UNROUTED = probed(MISSING, silent(can_tell=False, address="2001:db8::7"))
ELSEWHERE = probed(sent("//cdn.example.net/x"))
GOOD_END = probed(sent(HTTPS, 302), replace(MISSING, url=HTTPS))


@verdicts({
    **{f"status {status} passes": (serves_token, probed(replace(MISSING, status=status)), PASS)
       for status in (404, 410, 200)},
    **{f"status {status} is found": (serves_token, probed(MISSING, returning(status)), fail(
        f"{URL} at 192.0.2.8 returns {status} instead of 404 (server 'Apache'), and ",
        "the response begins '<h1>No</h1>'", remedy="configure",
    )) for status in (400, 401, 403, 405, 421, 451, 500, 503)},
    "no response at one address": (serves_token, probed(MISSING, silent(address="2001:db8::7")), fail(
        reason=f"{URL} at 2001:db8::7 gives no response: 192.0.2.7 does not answer", remedy="host",
    )),
    "no response, closed port": (serves_token, probed(silent(), firewall=rules()), unsure(because="dcv.firewall")),
    "no response, narrow port": (
        serves_token, probed(silent(), firewall=NARROW), unsure(because="dcv.firewall-narrow"),
    ),
    "no response, open port": (serves_token, probed(silent()), fail()),
    "error, closed port": (serves_token, probed(ERROR, firewall=rules()), fail()),
    "error, narrow port": (serves_token, probed(ERROR, firewall=NARROW), fail()),
    "error, open port": (serves_token, probed(ERROR), fail()),
    "no route from here": (serves_token, UNROUTED, unsure("2001:db8::7 cannot be probed from here")),
    "redirect to a good response": (serves_token, GOOD_END, PASS),
    "redirect to no response": (serves_token, probed(sent(HTTPS), silent(HTTPS)), fail(
        reason=f"{URL} at 192.0.2.7 redirects to {HTTPS}, which gives no response: 192.0.2.7 does not answer",
    )),
    "redirect to another host": (
        serves_token, ELSEWHERE, unsure("redirects to 'http://cdn.example.net/x', which was not probed"),
    ),
})  # fmt: skip
def test_missing_token_is_answered_with_404_at_every_address(row: Row) -> None:
    require_verdict(row)


@verdicts({
    **{f"status {status} without a redirect": (redirects, probed(replace(MISSING, status=status)), PASS)
       for status in (404, 410, 200)},
    "no route from here": (redirects, UNROUTED, PASS),
    "redirect to a good response": (redirects, GOOD_END, PASS),
    "redirect to another host": (redirects, ELSEWHERE, PASS),
    "more redirects than the limit": (
        redirects, probed(*(sent(f"/{n + 1}", url=f"http://web1.example.com/{n}") for n in range(11))),
        fail("more than 11 redirects"),
    ),
})  # fmt: skip
def test_redirects_lead_where_a_ca_follows(row: Row) -> None:
    require_verdict(row)


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
    words = f"{URL} at 192.0.2.7 redirects with {probe.status} to {probe.location!r}: {why}"
    require_verdict((redirects, probed(probe), fail(words)))
    require_verdict((serves_token, probed(probe), PASS))


@pytest.mark.parametrize("check", [serves_token, redirects])
@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (panel(OPEN), unsure()),
        (replace(panel(OPEN), dns=DnsView("nxdomain"), http_probes=()), unsure(because="dns.unresolvable")),
        (observed(server=replace(host(), fqdn="localhost", cpanel=CpanelState("1")), endpoint=HOST),
         unsure(because="host.name-invalid")),
        (observed(server=host(), endpoint=HOST), exempt()),
    ],
    ids=["not probed", "name without an address", "name that is not full", "no panel"],
)  # fmt: skip
def test_missing_http_probe_is_inconclusive(check: Check, seen: Observation, expected: Expected) -> None:
    require_verdict((check, {"observation": seen}, expected))


def repaired(*probes: HttpProbe, firewall: Firewall = OPEN, unread: tuple[str, ...] = ()) -> dict[str, object]:
    """Return the facts of a host without a panel, of which a repair would have two names validated."""
    names = ("web1.example.com", "www.example.com")
    server = replace(host(), fqdn="web1", validation=HttpValidation(names, firewall, unread))
    return {"observation": replace(observed(server=server, endpoint=HOST), http_probes=probes)}


WWW = replace(MISSING, url=URL.replace("web1", "www"))


@verdicts({
    "both names respond": (serves_token, repaired(MISSING, WWW), PASS),
    "one of two names at the same address is refused": (serves_token, repaired(MISSING, replace(WWW, status=403)), fail(
        "http://www.example.com/.well-known/pki-validation/X.txt at 192.0.2.7 returns 403 instead of 404",
    )),
    "one name without an address": (
        serves_token, repaired(MISSING), unsure(reason="not probed: www.example.com", because="dns.unresolvable"),
    ),
    "no name has an address": (serves_token, repaired(), unsure(because="dns.unresolvable")),
    "redirect that no CA follows": (redirects, repaired(MISSING, replace(WWW, status=303, location="/x")), fail()),
    "closed port": (listed_first, repaired(firewall=SHUT), fail("TCP port 80 is closed to ")),
    "open port": (listed_first, repaired(), PASS),
    "narrow port": (world, repaired(firewall=NARROW), fail()),
    "closed to IPv6 of a name": (
        world, repaired(silent(address="2001:db8::7"), firewall=NO_IPV6_RULES), fail("by ip6tables"),
    ),
    "closed to IPv6 that no name has": (world, repaired(MISSING, firewall=NO_IPV6_RULES), PASS),
    "unreadable rules": (listed_first, repaired(unread=("www-data may not",)), unsure("www-data may not")),
})  # fmt: skip
def test_names_that_a_repair_validates_are_judged_without_a_panel(row: Row) -> None:
    require_verdict(row)
