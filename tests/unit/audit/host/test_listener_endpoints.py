"""Tests of how listeners become endpoints: names, addresses, and from where they are reached."""

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
from tests.support.local_files import certificate

FACTS = HostFacts(
    "web1.example.com", "root", ("192.0.2.1", "2001:db8::1"), 0.0, None, 100, is_cpanel=False, shares_network=False,
    sockets=(), acme_sh=frozenset(),
)  # fmt: skip
VIEW = HostView("web1", "ssh://root@web1", "web1.example.com", FACTS.addresses)
NO_PROCESSES: frozenset[int] = frozenset()


def placed(*listeners: Listener, facts: HostFacts = FACTS, view: HostView = VIEW) -> list[PlacedEndpoint]:
    sources = [ServiceListener("nginx", 7, listener) for listener in listeners]
    return list(endpoints_of(sources, host_name(view), facts, view))


def test_listener_is_one_endpoint_per_name_or_has_the_host_name() -> None:
    found = placed(Listener("https", 443), Listener("https", 443, names=("b.example.com", "a.example.com")))
    assert [str(placement.endpoint) for placement in found] == [
        "web1/https://a.example.com:443",
        "web1/https://b.example.com:443",
        "web1/https://web1.example.com:443",
    ]
    assert found[0].endpoint.service == "nginx"


def test_wildcard_socket_has_the_addresses_of_the_host_or_loopback() -> None:
    assert placed(Listener("https", 443))[0].addresses == ("192.0.2.1", "2001:db8::1")
    alone = dataclasses.replace(VIEW, addresses=())
    (placement,) = placed(Listener("https", 443), view=alone)
    assert (placement.addresses, placement.inside_addresses) == ((), ("127.0.0.1", "::1"))


def test_loopback_is_reachable_from_outside_only_in_a_shared_network() -> None:
    listener = Listener("imaps", 993, ("127.0.0.1",))
    assert placed(listener)[0].inside_addresses == ("127.0.0.1",)
    shared = dataclasses.replace(FACTS, shares_network=True)
    assert placed(listener, facts=shared)[0].addresses == ("127.0.0.1",)


def test_address_without_a_listening_socket_is_left_out() -> None:
    facts = dataclasses.replace(FACTS, sockets=(("0.0.0.0", 443, NO_PROCESSES),))
    assert placed(Listener("https", 443), facts=facts)[0].addresses == ("192.0.2.1",)


def test_configured_address_is_used_behind_nat() -> None:
    view = dataclasses.replace(VIEW, configured_addresses=("203.0.113.10",))
    facts = dataclasses.replace(FACTS, sockets=(("192.0.2.1", 443, NO_PROCESSES),))
    assert placed(Listener("https", 443), facts=facts, view=view)[0].addresses == ("203.0.113.10",)


def test_one_name_with_two_certificates_is_pinned_to_its_addresses() -> None:
    found = placed(
        Listener("https", 443, ("192.0.2.1",), ("a.example.com",), pair("/1.crt", "/1.key")),
        Listener("https", 443, ("192.0.2.2",), ("a.example.com",), pair("/2.crt", "/2.key")),
    )
    assert [str(placement.endpoint) for placement in found] == [
        "web1/https://a.example.com:443+192.0.2.1",
        "web1/https://a.example.com:443+192.0.2.2",
    ]
    assert [placement.addresses for placement in found] == [("192.0.2.1",), ("192.0.2.2",)]


def test_two_sockets_of_one_certificate_are_one_endpoint() -> None:
    (placement,) = placed(Listener("https", 443, ("0.0.0.0",)), Listener("https", 443, ("::",)))
    assert placement.addresses == FACTS.addresses


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
def test_host_without_a_valid_name_has_its_label_as_name(fqdn: str | None, label: str, name: str) -> None:
    assert host_name(HostView(label, "ssh://x", fqdn)) == name


def test_invalid_name_is_not_an_endpoint() -> None:
    assert str(placed(Listener("https", 443, names=("a b",)))[0].endpoint) == "web1/https://web1.example.com:443"


def test_unknown_sockets_are_tried_unless_their_port_has_no_tls() -> None:
    sockets = [("0.0.0.0", port, NO_PROCESSES) for port in (22, 25, 443, 5000)] + [("::1", 6000, NO_PROCESSES)]
    (line,) = script_for_unknown_sockets(places_to_try(sockets, {("0.0.0.0", 443)}))
    assert line == "section unknown_sockets try_sockets 127.0.0.1:5000 '[::1]:6000'\n"
    found = read_unknown_sockets(sockets, {("0.0.0.0", 443)}, Section("[::1]:6000"))
    assert [(listener.scheme, listener.port, listener.addresses) for listener in found] == [
        ("smtp", 25, ("0.0.0.0",)),
        ("tls", 6000, ("::1",)),
    ]


def test_unknown_service_is_recognized_by_its_port_without_openssl() -> None:
    sockets = [("0.0.0.0", port, NO_PROCESSES) for port in (993, 5000)]
    assert [listener.scheme for listener in read_unknown_sockets(sockets, (), Section("no-openssl"))] == ["imaps"]


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


def test_placeholder_is_recognized_by_its_path_and_its_issuer() -> None:
    der = ssl.PEM_cert_to_DER_cert(certificate().decode())
    snakeoil = "/etc/ssl/certs/ssl-cert-snakeoil.pem"
    linked = InstalledFile("/etc/dovecot/private/dovecot.pem", "certificate", snakeoil, chain_der=(der,))
    assert is_snakeoil([linked])
    assert not is_snakeoil([InstalledFile("/etc/ssl/own.pem", "certificate", chain_der=(der,))])
    assert not is_snakeoil([InstalledFile(snakeoil, "certificate", chain_der=(b"not a certificate",))])
