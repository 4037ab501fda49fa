"""Services that expect the PROXY protocol: observed with its header, or reported as behind a load balancer."""

from __future__ import annotations

import socket

import pytest

from audit.endpoint import parse_endpoint
from audit.host.handshake import HostInside
from audit.host.script import shell_text
from audit.observation import Handshake, HostView, Observation, ProbeFailure, ProxyProtocol
from audit.probe import Limits, Target
from audit.probe.proxy_protocol import HOST_SENDS_NO_HEADER, LOCAL_HEADER
from audit.probe.target import InsidePlace
from tests.integration.audit.probe.test_probe_from_host import CLOSED, Host, endpoint
from tests.integration.audit.probe.test_starttls import BARE_SMTP, UPGRADES
from tests.integration.audit.probe.test_tls import RECORD_OF_ALERT
from tests.support.local_files import local
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


def misreads_client(connected: socket.socket) -> None:
    """Send the alert of an unknown version unless the connection begins with the header, as exim may do."""
    if connected.recv(len(LOCAL_HEADER)) != LOCAL_HEADER:
        connected.sendall(RECORD_OF_ALERT + b"\x46")
        hold(connected)


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
        ("tls", then(misreads_client, TLS), "some-clients"),
    ],
    ids=["TLS", "STARTTLS", "older configuration", "not a client that must", "a client that must", "client misread"],
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


def test_time_of_a_missing_header_is_not_that_of_the_handshake() -> None:
    (failure,) = seen("tls", hold, "some-clients", HASTY).failures
    assert f"timed out after {HASTY.handshake_s:.1f} s" in failure.detail


def test_fault_of_tls_behind_the_header_is_that_of_the_service() -> None:
    bare = then(requires_header, dialog(b"220 ready\r\n", BARE_SMTP), hold)
    (failure,) = seen("smtp", bare, "always").failures
    assert failure.kind == "not-offered"


SHOWN = Handshake(CLOSED, "TLSv1.3", "TLS_AES_256_GCM_SHA384", None, None, (b"der",), None, 0.1)
SILENT = ProbeFailure("handshake", "closed", "from the host itself: no handshake", CLOSED)


NO_PERL = ProbeFailure("handshake", "proxy-protocol", HOST_SENDS_NO_HEADER, CLOSED)
REFUSED = ProbeFailure("connect", "refused", "from the host itself: connection refused", CLOSED)


@pytest.mark.parametrize(
    ("server", "result", "kinds", "sent"),
    [
        (view("always"), SHOWN, [], (True,)),
        (view("always"), SILENT, ["proxy-protocol"], (True,)),
        (view("always"), NO_PERL, ["proxy-protocol"], (True,)),
        (view("always", is_running=False), REFUSED, ["refused"], (True,)),
        (view("some-clients"), SHOWN, [], (False, True)),
        (view("some-clients"), SILENT, ["proxy-protocol"], (False, True)),
        (view("never"), SILENT, ["closed"], (False,)),
    ],
    ids=["header", "header refused", "no perl", "not running", "any client", "any client refused", "no header"],
)  # fmt: skip
def test_host_sends_the_header_to_its_own_service(
    server: HostView, result: Handshake | ProbeFailure, kinds: list[str], sent: tuple[bool, ...]
) -> None:
    host = Host({CLOSED: result})
    (observation,) = look([Target(endpoint(1), addresses=(CLOSED,), server=server, inside=host)])
    assert [failure.kind for failure in observation.failures] == kinds
    assert [place.sends_header for request in host.requests for place in request] == list(sent)


def test_second_connection_counts_if_the_first_is_refused_on_the_host() -> None:
    host = Host({CLOSED: SILENT})
    host.with_header = SHOWN
    (observation,) = look([Target(endpoint(1), addresses=(CLOSED,), server=view("some-clients"), inside=host)])
    assert observation.failures == ()


def on_host(script: Script) -> Handshake | ProbeFailure:
    """Return what this machine sees of a service on itself, as of a host that is audited."""
    with serving(script) as server:
        place = InsidePlace(parse_endpoint(f"tls://127.0.0.1:{server.port}"), "127.0.0.1", sends_header=True)
        (first, *_) = HostInside(local()).observe_handshakes([place])[place]
    return first


def test_header_is_sent_from_the_host() -> None:
    assert isinstance(on_host(then(requires_header, TLS)), Handshake)


def test_service_that_closes_after_the_header_is_a_failure_of_the_host() -> None:
    failure = on_host(lambda _: None)
    assert isinstance(failure, ProbeFailure)
    assert (failure.stage, failure.kind) == ("handshake", "closed")


def test_host_without_perl_says_where_the_certificate_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shell_text("handshakes").replace("command -v perl", "command -v no-perl")
    monkeypatch.setattr("audit.host.handshake.shell_text", lambda name: text if name == "handshakes" else "")
    failure = on_host(then(requires_header, TLS))
    assert isinstance(failure, ProbeFailure)
    assert (failure.kind, failure.detail) == ("proxy-protocol", f"from the host itself: {HOST_SENDS_NO_HEADER}")
    assert failure.detail.endswith("run the audit where its load balancer runs")
