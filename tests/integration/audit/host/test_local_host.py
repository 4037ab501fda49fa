"""The inspection of this machine: real files, real sockets, and keys that stay on it."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from audit.endpoint import parse_endpoints
from audit.host import script as collect
from audit.host.discovery import Login, assemble
from audit.host.handshake import HostInside
from audit.host.script import composed
from audit.host.system import covers, read_facts
from audit.observation import Handshake, ProbeFailure
from audit.probe.target import InsidePlace, Target
from audit.services import LAYOUTS, SERVICES
from audit.services.declared import DeclaredService
from audit.services.model import Section
from tests.support.failing_logins import look, now
from tests.support.http.scripted_server import conversing, saying
from tests.support.local_files import certificate, key_pem, local
from tests.support.probe.tls_servers import both, sending_scts, serving, stapling, tls
from tests.support.x509.certificates import leaf, rsa_key
from tests.support.x509.ct_logs import ARGON, listed, of_certificate
from tests.support.x509.ocsp_responses import Answer


def _free_port() -> socket.socket:
    """Listen at a free well-known TLS port: of the many listeners of a machine these are tried first."""
    for port in (8883, 6697, 6514, 5671, 5061):
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise RuntimeError("no well-known port of TLS is free on this machine")


@pytest.fixture
def tls_port(own_network: None, tmp_path: Path) -> Iterator[int]:  # noqa: ARG001 - served there
    """Serve TLS at a port of loopback by an unknown service."""
    (tmp_path / "server.pem").write_bytes(key_pem() + certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with conversing(saying(b""), context=context, bound=_free_port(), speaks_first=True) as server:
        yield server.port


def target_at(targets: tuple[Target, ...], port: int) -> Target | None:
    return next((target for target in targets if target.endpoint.port == port), None)


def test_tls_port_of_an_unknown_service_is_found_and_a_plain_port_is_not(tls_port: int) -> None:
    with conversing(saying(b""), speaks_first=True) as plain:
        (found,) = look(Login("local://"))
    target = target_at(found.targets, tls_port)
    assert target is not None
    assert (target.endpoint.scheme, target.endpoint.service, target.endpoint.host) == ("tls", "unknown", "local")
    assert target.addresses == ("127.0.0.1",)
    assert target_at(found.targets, plain.port) is None


@pytest.mark.usefixtures("own_network")
def test_host_reports_name_clock_and_addresses_in_two_commands() -> None:
    (found,) = look(Login("local://", name="web1.example.com", addresses=("203.0.113.10",)))
    server = found.host.server
    assert server is not None
    assert (server.label, server.hostspec, server.fqdn) == ("local", "local://", "web1.example.com")
    assert server.configured_addresses == ("203.0.113.10",)
    assert server.clock_offset_s is not None
    assert abs(server.clock_offset_s) < 10
    assert found.host.connections == 2


def test_declared_service_is_found_with_its_files_and_its_test(tmp_path: Path, tls_port: int) -> None:
    (tmp_path / "tls.pem").write_bytes(certificate() + key_pem())
    service = DeclaredService(
        "gate way", (f"https://api.example.com:{tls_port}?address=127.0.0.1",), str(tmp_path / "tls.pem"),
        str(tmp_path / "tls.pem"), test="echo no good; exit 3",
    )  # fmt: skip
    (found,) = look(Login("local://", services=(service,)))
    target = target_at(found.targets, tls_port)
    assert target is not None
    assert target.server is not None
    assert (str(target.endpoint), target.addresses) == (
        f"local/https://api.example.com:{tls_port}", ("127.0.0.1",)
    )  # fmt: skip
    assert [file.fault for file in target.server.files] == [None, None]
    assert target.server.config_test is not None
    assert (target.server.config_test.ok, target.server.config_test.detail) == (False, "no good")
    assert target.server.service_running


def test_handshake_is_made_from_the_host(tls_port: int) -> None:
    (found,) = look(Login("local://"))
    target = target_at(found.targets, tls_port)
    assert target is not None
    assert target.inside is not None
    (shown,) = target.inside.observe_handshakes([place := InsidePlace(target.endpoint, "127.0.0.1")])[place]
    assert isinstance(shown, Handshake)
    assert (shown.version, shown.from_host, shown.old_protocols) == ("TLSv1.3", True, None)
    assert [x509.load_der_x509_certificate(der).serial_number for der in shown.chain_der] == [1234567]


def test_second_certificate_is_found_from_the_host() -> None:
    ec_leaf, rsa_leaf = leaf("ec.example"), leaf("rsa.example").with_key(rsa_key(2048))
    with serving(tls(both(rsa_leaf, ec_leaf))) as server:
        (endpoint,), _ = parse_endpoints(f"tls://www.example.com:{server.port}", "x")
        shown = HostInside(local()).observe_handshakes([place := InsidePlace(endpoint, "127.0.0.1")])[place]
    served = {handshake.chain_der[0] for handshake in shown if isinstance(handshake, Handshake)}
    assert (len(shown), served) == (2, {ec_leaf.der, rsa_leaf.der})


@pytest.mark.parametrize(("option", "version"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_scts_of_a_handshake_from_the_host_are_kept_as_sent(option: str, version: str, tmp_path: Path) -> None:
    scts = listed(ARGON.sct(of_certificate(leaf().der)), b" - no SCT \n" * 9)
    with sending_scts(scts, option, tmp_path) as port:
        shown = _handshake_from_host(port)
    assert (shown.version, shown.sct_list, shown.ocsp_der) == (version, scts, None)


@pytest.mark.parametrize(("option", "shows"), [("-tls1_2", False), ("-tls1_3", True)], ids=["TLS 1.2", "TLS 1.3"])
def test_staple_of_a_handshake_from_the_host_is_noticed(option: str, *, shows: bool, tmp_path: Path) -> None:
    staple = Answer().der
    with stapling(staple, option, tmp_path) as port:
        shown = _handshake_from_host(port)
    assert (shown.ocsp_der, shown.sct_list) == (staple if shows else b"", b"")


def _handshake_from_host(port: int) -> Handshake:
    (endpoint,), _ = parse_endpoints(f"tls://www.example.com:{port}", "x")
    shown, *_ = HostInside(local()).observe_handshakes([place := InsidePlace(endpoint, "127.0.0.1")])[place]
    assert isinstance(shown, Handshake)
    return shown


def test_refused_handshake_from_the_host_is_reported() -> None:
    (endpoint,), _ = parse_endpoints("https://www.example.com:1", "x")
    (failure,) = HostInside(local()).observe_handshakes([place := InsidePlace(endpoint, "127.0.0.1")])[place]
    assert isinstance(failure, ProbeFailure)
    assert (failure.stage, failure.kind, failure.address) == ("connect", "refused", "127.0.0.1")


def test_endpoints_of_a_file_are_read_line_by_line() -> None:
    text = "\ufeff# ours\nhttps://www.example.com # main\n\ngopher://x\nsmtp://mx.example.com:70000\n"
    endpoints, unusable = parse_endpoints(text, "list.txt")
    assert [str(endpoint) for endpoint in endpoints] == ["https://www.example.com:443"]
    assert [(line.source, line.number, line.text) for line in unusable] == [
        ("list.txt", 4, "gopher://x"),
        ("list.txt", 5, "smtp://mx.example.com:70000"),
    ]
    assert "gopher" in unusable[0].why


def test_targets_are_sorted_and_unique() -> None:
    endpoints, _ = parse_endpoints("https://b.example.com\nhttps://a.example.com\nhttps://B.example.com:443", "x")
    assert [str(target.endpoint) for target in assemble((), endpoints)] == [
        "https://a.example.com:443",
        "https://b.example.com:443",
    ]


def test_sockets_are_read_in_the_byte_order_of_the_host() -> None:
    row = "   0: {}:1F90 0:0 0A 0:0 00:0 0 0 0 4242 1 0"
    table = "\n".join(map(row.format, ("0100007F", "00000000", "B80D0120000000000000000001000000")))
    sections = {name: Section(text) for name, text in {"sockets": table, "owners": "pid 7\n4242\npid 12\n4242"}.items()}
    facts = read_facts(sections, now(), now())
    assert facts.listening(8080) == ("127.0.0.1", "0.0.0.0", "2001:db8::1")
    assert facts.ports_of(7) == facts.ports_of(12) != ()
    assert covers("::", "192.0.2.1")
    assert not covers("0.0.0.0", "2001:db8::1")


@pytest.mark.parametrize(
    "text",
    [
        (
            "2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\n2: eth0    inet6 fe80::1/64 scope link\n"
            "1: lo    inet 127.0.0.1/8 scope host lo\n3: docker0    inet 172.17.0.1/16 scope global docker0"
        ),
        "192.0.2.2 fe80::1 ",
        "eth0: flags=4163<UP>  mtu 1500\n        inet 192.0.2.2  netmask 0.0.0.0  broadcast 127.255.255.255",
    ],
)
def test_addresses_are_those_of_the_host_and_not_of_its_containers(text: str) -> None:
    assert read_facts({"addresses": Section(text)}, now(), now()).addresses == ("192.0.2.2",)


def test_script_is_plain_posix_shell() -> None:
    script = composed(collect.inspection_script(SERVICES, LAYOUTS), None)
    assert subprocess.run(["dash", "-n", "-c", script], check=False).returncode == 0
    quoted = shlex.quote(shlex.quote(script))
    assert len(quoted) < 100_000, "one argument of a command line holds 128 KiB, and it is quoted twice"
    assert not re.search(r"\[\[ |<<<|^ *(local|declare) ", script, re.MULTILINE)  # awk has `function`
    assert not re.search(r"\{[{%#]", script), "ansible's shell module takes these for the marks of a template"
