"""How listeners become endpoints: names, addresses, and from where they are reached."""

from __future__ import annotations

import dataclasses
import ssl

import pytest

from audit.host.certificate_owner import is_snakeoil, owner_of
from audit.host.endpoints import PlacedEndpoint, ServiceListener, endpoints_of, host_name
from audit.host.system import HostFacts
from audit.host.unknown_sockets import places_to_try, read_unknown_sockets, script_for_unknown_sockets
from audit.observation import HostView, InstalledFile
from audit.services.model import Listener, Section, pair
from tests.integration.audit.host.test_local_host import certificate

FACTS = HostFacts(
    "web1.example.com", "root", ("192.0.2.1", "2001:db8::1"), 0.0, None, 100, is_cpanel=False, shares_network=False,
    sockets=(), acme_sh=frozenset(),
)  # fmt: skip
VIEW = HostView("web1", "ssh://root@web1", "web1.example.com", FACTS.addresses)
NOBODY: frozenset[int] = frozenset()


def placed(*listeners: Listener, facts: HostFacts = FACTS, view: HostView = VIEW) -> list[PlacedEndpoint]:
    sources = [ServiceListener("nginx", 7, listener) for listener in listeners]
    return list(endpoints_of(sources, host_name(view), facts, view))


def test_a_listener_without_a_name_has_the_hosts_and_one_with_several_is_several_endpoints() -> None:
    found = placed(Listener("https", 443), Listener("https", 443, names=("b.example.com", "a.example.com")))
    assert [str(one.endpoint) for one in found] == [
        "web1/https://a.example.com:443",
        "web1/https://b.example.com:443",
        "web1/https://web1.example.com:443",
    ]
    assert found[0].endpoint.service == "nginx"


def test_a_wildcard_is_the_hosts_own_addresses_and_its_loopback_where_it_has_none() -> None:
    assert placed(Listener("https", 443))[0].addresses == ("192.0.2.1", "2001:db8::1")
    alone = dataclasses.replace(VIEW, addresses=())
    (one,) = placed(Listener("https", 443), view=alone)
    assert (one.addresses, one.inside_addresses) == ((), ("127.0.0.1", "::1"))


def test_loopback_is_reached_from_here_only_where_the_network_is_shared() -> None:
    listener = Listener("imaps", 993, ("127.0.0.1",))
    assert placed(listener)[0].inside_addresses == ("127.0.0.1",)
    shared = dataclasses.replace(FACTS, shares_network=True)
    assert placed(listener, facts=shared)[0].addresses == ("127.0.0.1",)


def test_an_address_nobody_listens_on_is_left_out() -> None:
    facts = dataclasses.replace(FACTS, sockets=(("0.0.0.0", 443, NOBODY),))
    assert placed(Listener("https", 443), facts=facts)[0].addresses == ("192.0.2.1",)


def test_behind_nat_the_configured_address_is_the_one() -> None:
    view = dataclasses.replace(VIEW, configured_addresses=("203.0.113.10",))
    facts = dataclasses.replace(FACTS, sockets=(("192.0.2.1", 443, NOBODY),))
    assert placed(Listener("https", 443), facts=facts, view=view)[0].addresses == ("203.0.113.10",)


def test_one_name_with_two_certificates_is_pinned_to_its_addresses() -> None:
    found = placed(
        Listener("https", 443, ("192.0.2.1",), ("a.example.com",), pair("/1.crt", "/1.key")),
        Listener("https", 443, ("192.0.2.2",), ("a.example.com",), pair("/2.crt", "/2.key")),
    )
    assert [str(one.endpoint) for one in found] == [
        "web1/https://a.example.com:443+192.0.2.1",
        "web1/https://a.example.com:443+192.0.2.2",
    ]
    assert [one.addresses for one in found] == [("192.0.2.1",), ("192.0.2.2",)]


def test_two_sockets_of_one_certificate_are_one_endpoint() -> None:
    (one,) = placed(Listener("https", 443, ("0.0.0.0",)), Listener("https", 443, ("::",)))
    assert one.addresses == FACTS.addresses


@pytest.mark.parametrize(
    ("fqdn", "label", "name"),
    [
        ("web1.example.com", "w", "web1.example.com"),
        ("no name!", "web1", "web1"),
        (None, "[2001:db8::1]", "2001:db8::1"),
        (None, "web1+2", "web1"),
        (None, "docker:web1", "localhost"),
    ],
)
def test_a_host_without_a_legal_name_goes_by_its_label(fqdn: str | None, label: str, name: str) -> None:
    assert host_name(HostView(label, "ssh://x", fqdn)) == name


def test_a_name_no_client_can_ask_for_is_not_an_endpoint() -> None:
    assert str(placed(Listener("https", 443, names=("a b",)))[0].endpoint) == "web1/https://web1.example.com:443"


def test_unknown_sockets_are_tried_unless_their_port_has_no_tls() -> None:
    sockets = [("0.0.0.0", port, NOBODY) for port in (22, 25, 443, 5000)] + [("::1", 6000, NOBODY)]
    (line,) = script_for_unknown_sockets(places_to_try(sockets, {("0.0.0.0", 443)}))
    assert line == "section unknown_sockets try_sockets 127.0.0.1:5000 '[::1]:6000'\n"
    found = read_unknown_sockets(sockets, {("0.0.0.0", 443)}, Section("[::1]:6000"))
    assert [(one.scheme, one.port, one.addresses) for one in found] == [
        ("smtp", 25, ("0.0.0.0",)),
        ("tls", 6000, ("::1",)),
    ]


def test_without_openssl_a_stranger_is_told_by_its_port_alone() -> None:
    sockets = [("0.0.0.0", port, NOBODY) for port in (993, 5000)]
    assert [one.scheme for one in read_unknown_sockets(sockets, (), Section("no-openssl"))] == ["imaps"]


@pytest.mark.parametrize(
    ("path", "real", "agent"),
    [
        ("/etc/letsencrypt/live/a/fullchain.pem", None, "certbot"),
        ("/etc/nginx/a.pem", "/root/.acme.sh/a_ecc/fullchain.cer", "acme.sh"),
        ("/etc/nginx/copied.pem", None, "acme.sh"),
        ("/home/u/.lego/certificates/a.crt", None, "lego"),
        ("/var/lib/caddy/.local/share/caddy/certificates/x/a.crt", None, "caddy"),
        ("/var/cpanel/ssl/apache_tls/www.example.com/combined", None, "cpanel"),
        ("/var/cpanel/ssl/dovecot/../domain_tls/www.example.com/combined", None, "cpanel"),
        ("/etc/dovecot/ssl/dovecot.crt", "/var/cpanel/ssl/dovecot/dovecot.crt", None),
        ("/var/cpanel/ssl/cpanel/mycpanel.pem", None, None),
        ("/etc/ssl/private/own.pem", None, None),
    ],
)
def test_the_agent_that_owns_a_certificate_is_named(path: str, real: str | None, agent: str | None) -> None:
    file = InstalledFile(path, "certificate", real_path=real)
    assert owner_of([file], {"/etc/nginx/copied.pem"}) == agent


def test_a_placeholder_is_told_by_its_place_and_by_being_nobodys() -> None:
    der = ssl.PEM_cert_to_DER_cert(certificate().decode())
    snakeoil = "/etc/ssl/certs/ssl-cert-snakeoil.pem"
    linked = InstalledFile("/etc/dovecot/private/dovecot.pem", "certificate", snakeoil, chain_der=(der,))
    assert is_snakeoil([linked])
    assert not is_snakeoil([InstalledFile("/etc/ssl/own.pem", "certificate", chain_der=(der,))])
    assert not is_snakeoil([InstalledFile(snakeoil, "certificate", chain_der=(b"not a certificate",))])
