"""HTTP probes of the validation path, with real connections to port 80 of the test's own network."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from audit.json_codec import from_json, to_json
from audit.observation import DnsView, HostView, HttpProbe, Observation
from audit.observation.cpanel import CpanelState
from audit.observation.firewall import HttpValidation
from audit.probe.deadline import Stopped
from audit.probe.http.validation_request import MAX_HOPS, probe_validation_path, probe_validation_paths
from audit.probe.target import Limits
from tests.support.endpoint_facts import HOST
from tests.support.evidence import NOW
from tests.support.http.scripted_server import Say, answering, by_path, conversing, saying, silent
from tests.support.own_network import own_network
from tests.support.probe.name_server import name_server

__all__ = ["own_network"]
pytestmark = pytest.mark.usefixtures("own_network")

LIMITS = Limits(timeout_s=20.0)
URL = "http://panel.test/.well-known/pki-validation/X.txt"


@contextlib.contextmanager
def at_port(port: int, say: dict[str, Say], address: str = "127.0.0.1") -> Iterator[list[str]]:
    """Respond at a port by the requested path, and yield the heads of the requests."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.create_server((address, port), family=family)
    with conversing(respond=by_path(say), bound=bound) as server:
        yield server.heads


def redirecting(to: str, status: str = "301 Moved") -> Say:
    return answering(b"", f"Location: {to}", status=status)


def probed(limits: Limits = LIMITS, address: str = "127.0.0.1") -> list[HttpProbe]:
    return list(probe_validation_path(URL, address, limits, threading.Event()))


def test_response_has_status_server_and_a_limited_beginning() -> None:
    denied = answering(b"<h1>\x1b[2JNo\n</h1>" + b"x" * 100_000, "Server: Apache/2.4 (cPanel)", status="403 Forbidden")
    with at_port(80, {"": denied}) as heads:
        (probe,) = probed()
    assert (probe.status, probe.server, probe.url) == (403, "Apache/2.4 (cPanel)", URL)
    assert probe.beginning.startswith("<h1>\N{REPLACEMENT CHARACTER}[2JNo </h1>xxx")
    assert len(probe.beginning) == 80
    assert heads[0].startswith("GET /.well-known/pki-validation/X.txt HTTP/1.1\r\nHost: panel.test\r\n")


def test_redirects_to_the_same_name_are_followed_at_the_same_address() -> None:
    say = {
        "": redirecting("/b"),
        "/b": redirecting("http://PANEL.test/c", "302 Found"),
        "/c": answering(b"", status="404 No"),
    }
    with at_port(80, say) as heads:
        found = probed()
    assert [(probe.url, probe.status) for probe in found] == [
        (URL, 301), ("http://panel.test/b", 302), ("http://PANEL.test/c", 404),
    ]  # fmt: skip
    assert len(heads) == 3


@pytest.mark.parametrize(
    "to", ["http://other.test/", "http://127.0.0.1/", "http://panel.test:8080/", "gopher://panel.test/", "http://["]
)
def test_redirect_to_another_name_or_port_is_reported_and_not_followed(to: str) -> None:
    with at_port(80, {"": redirecting(to)}) as heads:
        (probe,) = probed()
    assert (probe.status, probe.location, len(heads)) == (301, to, 1)


def test_redirect_to_https_reports_the_fault_there() -> None:
    no_tls = {"": saying(b"no TLS at all\r\n\r\n")}
    with at_port(80, {"": redirecting("https://panel.test/")}), at_port(443, no_tls):
        first, second = probed()
    assert (first.status, second.url, second.status) == (301, "https://panel.test/", None)
    assert second.detail.startswith("panel.test: ")


@pytest.mark.parametrize(
    ("say", "detail"),
    [(saying(b""), "no complete HTTP response"), (saying(b"SSH-2.0-OpenSSH\r\n"), "no complete HTTP response")],
)
def test_data_that_is_not_http_has_no_status(say: Say, detail: str) -> None:
    with at_port(80, {"": say}):
        (probe,) = probed()
    assert probe.status is None
    assert probe.detail.startswith(detail)


@pytest.mark.parametrize(
    ("address", "detail", "can_tell"),
    [
        ("127.0.0.1", "127.0.0.1: connection refused", True),
        ("2001:db8::1", "", False),
        ("169.254.169.254", "is not probed", None),
        ("fe80::1", "is not probed", None),
        ("64:ff9b::169.254.169.254", "is not probed", None),
    ],
    ids=["closed port", "no route from here", "link-local", "link-local IPv6", "link-local behind a translator"],
)
def test_address_that_may_not_be_probed_has_no_status(address: str, detail: str, *, can_tell: bool | None) -> None:
    (probe,) = probed(address=address)
    assert (probe.status, detail in probe.detail) == (None, True)
    assert can_tell is None or probe.can_tell is can_tell


def test_circular_and_endless_redirects_end() -> None:
    def endless(connection: socket.socket) -> None:
        redirecting(f"/{time.monotonic_ns()}")(connection)

    with at_port(80, {"": redirecting("/b"), "/b": redirecting(URL)}) as heads:
        assert [probe.status for probe in probed()] == [301, 301]
    assert len(heads) == 2
    with at_port(80, {"": endless}):
        assert len(probed()) == MAX_HOPS + 1


def test_silent_server_costs_its_deadline() -> None:
    began = time.monotonic()
    with at_port(80, {"": silent}):
        (probe,) = probed(Limits(timeout_s=0.4))
    assert probe.detail == "no complete response in time"
    assert time.monotonic() - began < 20


def test_response_with_a_hanging_body_has_its_status() -> None:
    def hang(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\nGo")
        connection.recv(1)

    with at_port(80, {"": hang}):
        (probe,) = probed(Limits(timeout_s=1.5))
    assert probe.status == 404


def test_stopped_run_raises_instead_of_a_result() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        list(probe_validation_path(URL, "127.0.0.1", LIMITS, stop))


def panel(fqdn: str | None = "both.example.test") -> Observation:
    """Return the observation of a cPanel host with that name."""
    return Observation(HOST, NOW, server=HostView("web1", "ssh://root@web1", fqdn, cpanel=CpanelState("1")))


def test_names_that_a_repair_validates_are_probed_without_a_panel() -> None:
    validation = HttpValidation(("both.example.test", "missing.example.test"))
    server = HostView("web1", "ssh://root@web1", "web1.example.test", validation=validation)
    with name_server() as resolver, at_port(80, {"": answering(b"", status="403 No")}):
        limits = replace(LIMITS, resolver=(resolver,))
        seen = probe_validation_paths(Observation(HOST, NOW, server=server), limits, threading.Event())
    assert (seen.dns, seen.connections) == (None, 3)
    assert [(probe.address, probe.status) for probe in seen.http_probes or ()] == [
        ("127.0.0.1", 403), ("127.0.0.2", None), ("::1", None),
    ]  # fmt: skip
    assert {probe.url.rpartition("/")[0] for probe in seen.http_probes or ()} == {URL.rpartition("/")[0].replace(
        "panel.test", "both.example.test"
    )}  # fmt: skip
    assert from_json(Observation, to_json(seen)) == seen


def test_only_panel_hosts_with_a_full_name_are_probed() -> None:
    no_panel = replace(panel(), server=HostView("web1", "ssh://root@web1", "both.example.test"))
    for seen in (no_panel, panel(None), panel("localhost"), Observation(HOST, NOW)):
        assert probe_validation_paths(seen, LIMITS, threading.Event()) == seen


def test_every_address_of_the_name_is_probed_for_an_unknown_file() -> None:
    say = {"": answering(b"", status="404 Not Found")}
    with name_server() as resolver, at_port(80, say) as first, at_port(80, say, "::1") as third:
        limits = replace(LIMITS, resolver=(resolver,))
        seen = probe_validation_paths(panel(), limits, threading.Event())
    assert (seen.dns, seen.connections) == (DnsView("ok", ("127.0.0.1", "127.0.0.2", "::1")), 3)
    assert [(probe.address, probe.status) for probe in seen.http_probes or ()] == [
        ("127.0.0.1", 404), ("127.0.0.2", None), ("::1", 404),
    ]  # fmt: skip
    path = first[0].split()[1]
    assert path == third[0].split()[1]
    assert len(path) == len("/.well-known/pki-validation/") + 32 + len(".txt")
    assert from_json(Observation, to_json(seen)) == seen
