"""The limits of a probe: deadlines, bytes, connections at once, and the stop event."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace

import pytest

from audit.endpoint import parse_endpoint
from audit.observation import Observation
from audit.probe import Limits, Target, observe
from tests.support.probe.observations import HASTY, NOW, PATIENT, failure, look, look_at
from tests.support.probe.tls_servers import Script, context, hold, serving, tls


def dribble(text: bytes) -> Script:
    """Return a script that sends a byte every fifth of a second."""

    def script(connected: socket.socket) -> None:
        for octet in text:
            connected.sendall(bytes([octet]))
            time.sleep(0.2)

    return script


def endless(octets: bytes) -> Script:
    """Return a script that sends without end."""

    def script(connected: socket.socket) -> None:
        while True:
            connected.sendall(octets)

    return script


def test_silent_server_costs_its_deadline() -> None:
    with serving(hold) as server:
        shown = failure(f"tls://127.0.0.1:{server.port}", HASTY)
    assert (shown.stage, shown.kind) == ("handshake", "timeout")


def test_dribbling_server_costs_at_most_its_deadline() -> None:
    began = time.monotonic()
    with serving(dribble(b"\x16\x03\x03\x40\x00" + bytes(1000))) as server:
        shown = failure(f"tls://127.0.0.1:{server.port}", HASTY)
        taken = time.monotonic() - began
    assert (shown.stage, shown.kind) == ("handshake", "timeout")
    assert "bytes" in shown.detail
    assert taken < 20


def test_dribbled_greeting_costs_at_most_its_deadline() -> None:
    with serving(dribble(b"220 " + b"x" * 1000)) as server:
        shown = failure(f"smtp://127.0.0.1:{server.port}", HASTY)
    assert (shown.stage, shown.kind) == ("starttls", "timeout")
    assert "a greeting" in shown.detail


@pytest.mark.parametrize("banner", [b"220-more\r\n" * 100, b"220 no line end"])
def test_endless_greeting_is_too_much(banner: bytes) -> None:
    with serving(endless(banner)) as server:
        shown = failure(f"smtp://127.0.0.1:{server.port}", PATIENT)
    assert (shown.stage, shown.kind) == ("starttls", "too-much")


def test_server_that_closes_at_once_is_closed() -> None:
    with serving(lambda _: None) as server:
        shown = failure(f"tls://127.0.0.1:{server.port}")
    assert (shown.stage, shown.kind) == ("handshake", "closed")


def test_server_that_sends_after_quit_does_not_delay_the_probe() -> None:
    talk = b"* OK still here\r\n"
    with serving(tls(context(), greeting=talk * 1000)) as server:
        assert len(look_at(f"imaps://127.0.0.1:{server.port}", replace(PATIENT, farewell_s=0.5)).handshakes) == 1


@pytest.mark.parametrize("most", [1, 2])
def test_connections_to_an_address_stay_within_the_limit(most: int) -> None:
    connections: list[int] = []
    with serving(hold) as server:
        urls = [f"tls://127.0.0.1:{server.port}?sni=www{number}.test" for number in range(4 * most)]
        targets = [Target(parse_endpoint(url)) for url in urls]
        limits = replace(HASTY, timeout_s=0.5, per_address=most)
        observe(targets, limits, clock=lambda: NOW, report=lambda _: connections.append(server.connections))
    assert connections[0] <= 2 * most  # as some end, the next begin
    assert connections[-1] == len(urls)


def test_silent_address_does_not_delay_the_others() -> None:
    with serving(hold) as silent, serving(tls(context()), address="127.0.0.2") as lively:
        urls = [f"tls://127.0.0.1:{silent.port}?sni=www{number}.test" for number in range(2)]
        urls.append(f"tls://127.0.0.2:{lively.port}")
        limits = Limits(timeout_s=2, concurrency=2, per_address=1, retry_after_s=0)
        seen = look([Target(parse_endpoint(url)) for url in urls], limits)
    assert str(seen[0].endpoint) == f"tls://127.0.0.2:{lively.port}"
    assert len(seen) == len(urls)


def test_stopped_run_returns_completed_observations_at_once() -> None:
    stop = threading.Event()
    with serving(hold) as silent, serving(tls(context()), address="127.0.0.2") as lively:
        targets = [
            Target(parse_endpoint(f"tls://127.0.0.1:{silent.port}")),
            Target(parse_endpoint(f"tls://127.0.0.2:{lively.port}")),
        ]
        seen: list[Observation] = []

        def report(observation: Observation) -> None:
            silent.wait_for(1)
            seen.append(observation)
            stop.set()

        began = time.monotonic()
        observe(targets, replace(PATIENT, timeout_s=100), clock=lambda: NOW, report=report, stop=stop)
        taken = time.monotonic() - began
    assert [str(observation.endpoint) for observation in seen] == [f"tls://127.0.0.2:{lively.port}"]
    assert taken < 30
    assert not [thread for thread in threading.enumerate() if thread.name == "probe"]


def test_exception_in_the_progress_report_is_raised_and_leaves_no_thread() -> None:
    def fail(_: Observation) -> None:
        raise ZeroDivisionError

    with serving(tls(context())) as server:
        target = Target(parse_endpoint(f"tls://127.0.0.1:{server.port}"))
        with pytest.raises(ZeroDivisionError):
            observe([target], PATIENT, clock=lambda: NOW, report=fail)
    assert not [thread for thread in threading.enumerate() if thread.name == "probe"]


def test_empty_list_of_targets_yields_no_observations() -> None:
    assert look([]) == []
