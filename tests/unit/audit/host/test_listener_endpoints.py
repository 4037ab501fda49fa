"""Tests of how listeners become endpoints: names, addresses, and from where they are reached."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest

from audit.host.certificate_owner import installed_yet, is_snakeoil, owner_of
from audit.host.endpoints import PlacedEndpoint, ServiceListener, endpoints_of, for_own_name, host_name
from audit.host.system import HostFacts
from audit.host.unknown_sockets import places_to_try, read_unknown_sockets, script_for_unknown_sockets
from audit.observation import HostView, InstalledFile
from audit.services.model import ANY, Listener, Section, pair
from tests.support.local_files import certificate

FACTS = HostFacts(
    "web1.example.com", "root", ("192.0.2.1", "2001:db8::1"), 0.0, None, 100, is_cpanel=False, shares_network=False,
    sockets=(), acme_sh=frozenset(),
)  # fmt: skip
VIEW = HostView("web1", "ssh://root@web1", "web1.example.com", FACTS.addresses)
NO_PROCESSES: frozenset[int] = frozenset()


def shown(placement: PlacedEndpoint) -> str:
    """Return the id of an endpoint, its addresses, and those that are reached on the host only."""
    inside = f" inside {' '.join(placement.inside_addresses)}" if placement.inside_addresses else ""
    return f"{placement.endpoint} {' '.join(placement.addresses)}{inside}"


def https(*addresses: str, names: tuple[str, ...] = (), file: str = "") -> Listener:
    files = pair(f"/{file}.crt", f"/{file}.key") if file else ()
    return Listener("https", 443, addresses or ANY, names, files)


A = ("a.example.com",)
OWN, BOTH = "web1/https://web1.example.com:443", "192.0.2.1 2001:db8::1"
ALL_OPEN, ONE_OPEN = ((("0.0.0.0", 443, NO_PROCESSES),), (("192.0.2.1", 443, NO_PROCESSES),))


@pytest.mark.parametrize(
    ("listeners", "facts", "view", "expected"),
    [
        ((https(), https(names=("b.example.com", *A))), FACTS, VIEW,
         [f"web1/https://a.example.com:443 {BOTH}", f"web1/https://b.example.com:443 {BOTH}", f"{OWN} {BOTH}"]),
        ((https(),), FACTS, replace(VIEW, addresses=()), [f"{OWN}  inside 127.0.0.1 ::1"]),
        ((Listener("imaps", 993, ("127.0.0.1",)),), FACTS, VIEW,
         ["web1/imaps://web1.example.com:993  inside 127.0.0.1"]),
        ((Listener("imaps", 993, ("127.0.0.1",)),), replace(FACTS, shares_network=True), VIEW,
         ["web1/imaps://web1.example.com:993 127.0.0.1"]),
        ((https(),), replace(FACTS, sockets=ALL_OPEN), VIEW, [f"{OWN} 192.0.2.1"]),
        ((https(),), replace(FACTS, sockets=ONE_OPEN), replace(VIEW, configured_addresses=("203.0.113.10",)),
         [f"{OWN} 203.0.113.10"]),
        ((https("192.0.2.1", names=A, file="1"), https("192.0.2.2", names=A, file="2")), FACTS, VIEW,
         ["web1/https://a.example.com:443+192.0.2.1 192.0.2.1", "web1/https://a.example.com:443+192.0.2.2 192.0.2.2"]),
        ((https("0.0.0.0"), https("::")), FACTS, VIEW, [f"{OWN} {BOTH}"]),
        ((https("192.0.2.1"), replace(https("192.0.2.2"), proxy_protocol="always")), FACTS, VIEW,
         [f"{OWN}+192.0.2.1 192.0.2.1", f"{OWN}+192.0.2.2 192.0.2.2"]),
        ((https(names=("a b",)),), FACTS, VIEW, [f"{OWN} {BOTH}"]),
    ],
    ids=["names", "host without addresses", "loopback", "loopback in a shared network", "not listening at IPv6",
         "behind NAT", "two certificates of one name", "two sockets of one certificate",
         "one socket with the PROXY protocol", "invalid name"],
)  # fmt: skip
def test_listener_is_an_endpoint_per_name_with_its_addresses(
    listeners: tuple[Listener, ...], facts: HostFacts, view: HostView, expected: list[str]
) -> None:
    sources = [ServiceListener("nginx", 7, listener) for listener in listeners]
    found = list(endpoints_of(sources, host_name(view), facts, view))
    assert list(map(shown, found)) == expected
    assert {placement.endpoint.service for placement in found} == {"nginx"}


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


def test_unknown_sockets_are_tried_unless_their_port_has_no_tls() -> None:
    sockets = [("0.0.0.0", port, NO_PROCESSES) for port in (22, 24, 25, 443, 4190, 5000)]
    sockets.append(("::1", 6000, NO_PROCESSES))
    (line,) = script_for_unknown_sockets(places_to_try(sockets, {("0.0.0.0", 443)}))
    places = "127.0.0.1:24/lmtp 127.0.0.1:4190/sieve 127.0.0.1:5000 '[::1]:6000'"
    assert line == f"section unknown_sockets try_sockets {places}\n"
    found = read_unknown_sockets(sockets, {("0.0.0.0", 443)}, Section("[::1]:6000\n127.0.0.1:4190/sieve"))
    assert [(listener.scheme, listener.port, listener.addresses) for listener in found] == [
        ("sieve", 4190, ("0.0.0.0",)),
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
        ("/etc/apache2/md/domains/a.example/fallback-pubcert.pem", None, "mod_md"),
        ("/srv/md/domains/a.example/pubcert.p-256.pem", None, "mod_md"),
        ("/etc/dovecot/ssl/dovecot.crt", "/var/cpanel/ssl/dovecot/dovecot.crt", None),
        ("/var/cpanel/ssl/cpanel/mycpanel.pem", None, None),
        ("/etc/ssl/private/own.pem", None, None),
    ],
)
def test_the_agent_that_owns_a_certificate_is_named(path: str, real: str | None, agent: str | None) -> None:
    file = InstalledFile(path, "certificate", real_path=real)
    assert owner_of([file], {"/etc/nginx/copied.pem"}) == agent


def test_file_that_mod_md_has_not_got_yet_is_not_missing() -> None:
    files = (InstalledFile("/md/pubcert.pem", "certificate", fault="missing"), InstalledFile("/md/privkey.pem", "key"))
    assert installed_yet(files, "mod_md") == files[1:]
    assert installed_yet(files, "certbot") == files


def test_placeholder_is_recognized_by_its_path_and_its_issuer() -> None:
    der = ssl.PEM_cert_to_DER_cert(certificate().decode())
    snakeoil = "/etc/ssl/certs/ssl-cert-snakeoil.pem"
    linked = InstalledFile("/etc/dovecot/private/dovecot.pem", "certificate", snakeoil, chain_der=(der,))
    assert is_snakeoil([linked])
    assert not is_snakeoil([InstalledFile("/etc/ssl/own.pem", "certificate", chain_der=(der,))])
    assert not is_snakeoil([InstalledFile(snakeoil, "certificate", chain_der=(b"not a certificate",))])


def default(*addresses: str, file: str) -> Listener:
    return replace(https(*addresses, file=file), is_default=True)


FOR_OTHERS = (
    "nginx serves /d.crt at port 443 for other names, but none of them is known: to audit it, declare an endpoint"
)


@pytest.mark.parametrize(
    ("listeners", "found"),
    [
        ([default(file="d"), https(names=("web1.example.com",), file="o")],
         [(0, "d", ()), (443, "o", ("web1.example.com",))]),
        ([default(file="d"), https(names=("any-label.example.com",), file="w")],
         [(0, "d", ()), (443, "w", ("any-label.example.com", "web1.example.com"))]),
        ([default(file="d"), https(names=("any-label.example.com",), file="w"),
          https(names=("web1.example.com",), file="o")],
         [(0, "d", ()), (443, "w", ("any-label.example.com",)), (443, "o", ("web1.example.com",))]),
        ([default(file="d"), https("192.0.2.1", names=("web1.example.com",), file="o")],
         [(443, "d", ()), (443, "o", ("web1.example.com",))]),
        ([default("192.0.2.1", file="d"), https("0.0.0.0", names=("web1.example.com",), file="d")],
         [(443, "d", ("web1.example.com",))]),
        ([https(file="d"), https(names=("web1.example.com",), file="o")],
         [(443, "d", ()), (443, "o", ("web1.example.com",))]),
    ],
    ids=["own name", "wildcard", "own name and wildcard", "other addresses", "same files", "first virtual host"],
)  # fmt: skip
def test_default_is_not_for_the_own_name_of_another(
    listeners: list[Listener], found: list[tuple[int, str, tuple[str, ...]]]
) -> None:
    resolved = list(for_own_name("nginx", listeners, "web1.example.com"))
    assert [(listener.port, listener.files[0].path[1], listener.names) for listener in resolved] == found
    assert {why.startswith(FOR_OTHERS) for listener in resolved for why in listener.unread} <= {True}
