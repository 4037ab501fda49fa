"""The limits of a probe: deadlines, bytes, connections at once, and the stop event."""

from __future__ import annotations

import re
import socket
import threading
import time
from dataclasses import replace

import pytest

from audit.endpoint import parse_endpoint
from audit.observation import Observation
from audit.probe import Limits, Target, observe
from audit.probe.deadline import Deadline
from audit.probe.tcp import ProbeError, TcpConnection
from tests.integration.audit.probe.test_starttls import UPGRADES
from tests.support.probe.observations import HASTY, NOW, PATIENT, failure_of, look, look_at
from tests.support.probe.tls_servers import Script, context, hold, in_turn, say, serving, then, tls


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


@pytest.mark.parametrize(
    ("scheme", "script", "limits", "expected", "detail"),
    [
        ("tls", hold, HASTY, ("handshake", "timeout"), ""),
        ("tls", dribble(b"\x16\x03\x03\x40\x00" + bytes(1000)), HASTY, ("handshake", "timeout"), "bytes"),
        ("smtp", dribble(b"220 " + b"x" * 1000), HASTY, ("starttls", "timeout"), "a greeting"),
        ("smtp", endless(b"220-more\r\n" * 100), PATIENT, ("starttls", "too-much"), ""),
        ("smtp", endless(b"220 no line end"), PATIENT, ("starttls", "too-much"), ""),
        ("tls", lambda _: None, PATIENT, ("handshake", "closed"), ""),
    ],
    ids=["silent", "dribbled", "dribbled greeting", "endless greeting", "endless line", "closed at once"],
)
def test_server_costs_at_most_its_deadline_and_limit(
    scheme: str, script: Script, limits: Limits, expected: tuple[str, str], detail: str
) -> None:
    began = time.monotonic()
    shown = failure_of(script, limits, scheme)
    assert ((shown.stage, shown.kind), detail in shown.detail) == (expected, True)
    assert time.monotonic() - began < 60


def test_greeting_has_a_deadline_of_its_own() -> None:
    limits = replace(HASTY, timeout_s=0.5)
    detail = failure_of(hold, limits, "smtp").detail
    match = re.match(r"timed out after ([0-9.]+) s, waiting for a greeting", detail)
    assert match, detail
    assert float(match[1]) >= 3 * limits.timeout_s


def test_time_of_a_stage_apart_does_not_count_for_the_whole_probe() -> None:
    now = [0.0]
    whole = Deadline(1.0, clock=lambda: now[0])
    with (
        serving(then(say(b"220 ready\r\n"), hold)) as server,
        TcpConnection(deadline=whole, stop=threading.Event(), max_bytes=100) as tcp,
    ):
        tcp.connect("127.0.0.1", server.port, 30)
        now[0] = 2.0
        tcp.begin_apart("starttls", 30, "a greeting", rest_s=30)
        assert tcp.receive()
        waited_s = tcp.end_apart()
        now[0] = 2.0 + waited_s
        tcp.begin("starttls", 30, "more")
        with pytest.raises(ProbeError, match="waiting for more"):
            tcp.receive()


def test_fault_of_a_later_connection_is_named() -> None:
    with serving(in_turn(then(UPGRADES["smtp"], tls(context())), say(b"421 4.7.0 too many connections\r\n"))) as server:
        observation = look_at(f"smtp://127.0.0.1:{server.port}")
    (seen,) = observation.handshakes
    assert seen.old_protocols is None
    assert seen.unknown_versions == 'the server is busy: "421 4.7.0 too many connections"'
    assert [failure.kind for failure in observation.other_key_failures] == ["busy"]


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
        server.wait_for(len(urls))
        assert server.connections == len(urls)
    assert connections[0] <= 2 * most  # as some end, the next begin


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
