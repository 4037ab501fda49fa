"""Services that expect the PROXY protocol: observed with its header, or reported as behind a load balancer."""

from __future__ import annotations

import socket

import pytest

from audit.endpoint import Endpoint, parse_endpoint
from audit.observation import Handshake, HostView, Observation, ProbeFailure, ProxyProtocol
from audit.probe import Limits, Target
from audit.probe.proxy_protocol import LOCAL_HEADER
from tests.integration.audit.probe.test_probe_from_host import CLOSED, Host, endpoint
from tests.integration.audit.probe.test_starttls import BARE_SMTP, UPGRADES
from tests.support.probe.observations import HASTY, PATIENT, look
from tests.support.probe.tls_servers import Script, context, dialog, hold, say, serving, then, tls


def view(proxy_protocol: ProxyProtocol, *, is_running: bool = True) -> HostView:
    """Return the view of a service whose listener expects the PROXY protocol from these clients."""
    return HostView("web1", "ssh://root@web1", service_running=is_running, proxy_protocol=proxy_protocol)


def requires_header(connected: socket.socket) -> None:
    """Close the connection unless it begins with the header."""
    octets = b""
    while len(octets) < len(LOCAL_HEADER):
        octets += connected.recv(len(LOCAL_HEADER) - len(octets)) or b"\0" * len(LOCAL_HEADER)
    if octets != LOCAL_HEADER:
        raise OSError("no header")


def rejects_header(connected: socket.socket) -> None:
    """Close the connection if it begins with the header."""
    if connected.recv(1, socket.MSG_PEEK) == LOCAL_HEADER[:1]:
        raise OSError("a header")


def seen(scheme: str, script: Script, proxy_protocol: ProxyProtocol, limits: Limits = PATIENT) -> Observation:
    """Return the observation of a service that follows a script."""
    with serving(script) as server:
        target = Target(parse_endpoint(f"{scheme}://127.0.0.1:{server.port}"), server=view(proxy_protocol))
        (observation,) = look([target], limits)
        assert observation.connections == server.connections
    return observation


TLS = tls(context())


@pytest.mark.parametrize(
    ("scheme", "script", "proxy_protocol"),
    [
        ("tls", then(requires_header, TLS), "always"),
        ("smtp", then(requires_header, UPGRADES["smtp"], TLS), "always"),
        ("tls", then(rejects_header, TLS), "always"),
        ("tls", TLS, "some-clients"),
        ("tls", then(requires_header, TLS), "some-clients"),
    ],
    ids=["TLS", "STARTTLS", "older configuration runs", "not a client that must", "a client that must"],
)
def test_every_connection_sends_the_header_that_the_service_accepts(
    scheme: str, script: Script, proxy_protocol: ProxyProtocol
) -> None:
    observation = seen(scheme, script, proxy_protocol)
    assert observation.failures == ()
    assert [handshake.old_protocols for handshake in observation.handshakes] == [()]


@pytest.mark.parametrize("proxy_protocol", ["always", "some-clients"])
@pytest.mark.parametrize(
    ("scheme", "script", "limits"),
    [("tls", lambda _: None, PATIENT), ("tls", hold, HASTY), ("smtp", say(b"554 go away\r\n"), PATIENT)],
    ids=["closed", "silent", "rejected"],
)
def test_service_that_accepts_no_header_is_behind_a_load_balancer(
    scheme: str, script: Script, limits: Limits, proxy_protocol: ProxyProtocol
) -> None:
    (failure,) = seen(scheme, script, proxy_protocol, limits).failures
    assert failure.kind == "proxy-protocol"
    assert failure.detail.startswith("it expects the PROXY protocol from its load balancer")


def test_fault_of_tls_behind_the_header_is_that_of_the_service() -> None:
    bare = then(requires_header, dialog(b"220 ready\r\n", BARE_SMTP), hold)
    (failure,) = seen("smtp", bare, "always").failures
    assert failure.kind == "not-offered"


SHOWN = Handshake(CLOSED, "TLSv1.3", "TLS_AES_256_GCM_SHA384", None, None, (b"der",), None, 0.1)
SILENT = ProbeFailure("handshake", "closed", "from the host itself: no handshake", CLOSED)


@pytest.mark.parametrize(
    ("server", "result", "kinds", "asked"),
    [
        (view("always"), SHOWN, ["proxy-protocol"], 0),
        (view("always", is_running=False), None, ["refused"], 0),
        (view("some-clients"), SHOWN, [], 1),
        (view("some-clients"), SILENT, ["proxy-protocol"], 1),
    ],
    ids=["header required", "not running", "header not required", "header required of the host"],
)
def test_host_cannot_send_the_header(
    server: HostView, result: Handshake | ProbeFailure | None, kinds: list[str], asked: int
) -> None:
    host = Host({CLOSED: result} if result else {})
    found: Endpoint = endpoint(1)
    (observation,) = look([Target(found, addresses=(CLOSED,), server=server, inside=host)])
    assert [failure.kind for failure in observation.failures] == kinds
    assert len(host.requests) == asked
