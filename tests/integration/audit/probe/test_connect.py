"""The failures of a connection are distinguished."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import sys

import pytest

from tests.support.probe.observations import failure, look_at
from tests.support.probe.tls_servers import closed_port, serving

IN_AN_EMPTY_NETWORK = ["unshare", "--user", "--map-root-user", "--net"]
LOOK = """
from tests.support.probe.observations import failure
for url in ("https://192.0.2.1", "https://[2001:db8::1]"):
    shown = failure(url)
    print(shown.stage, shown.kind, shown.detail)
"""


def reset(connected: socket.socket) -> None:
    """Close with a reset instead of a FIN."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_refused_connection_is_retried_once_and_reported() -> None:
    with closed_port() as port:
        observation = look_at(f"https://127.0.0.1:{port}")
    assert [(failure.stage, failure.kind, failure.address) for failure in observation.failures] == [
        ("connect", "refused", "127.0.0.1")
    ]
    assert observation.connections == 2


def test_reset_before_any_data_is_refused() -> None:
    with serving(reset) as server:
        shown = failure(f"smtp://127.0.0.1:{server.port}")
        assert server.connections == 2
    assert shown.kind == "refused"


def test_reset_after_our_first_data_is_closed() -> None:
    def script(connected: socket.socket) -> None:
        connected.recv(1)
        reset(connected)

    with serving(script) as server:
        shown = failure(f"https://127.0.0.1:{server.port}")
        assert server.connections == 1
    assert (shown.stage, shown.kind) == ("handshake", "closed")


def test_failure_of_our_own_network_is_not_blamed_on_the_server() -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([*IN_AN_EMPTY_NETWORK, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no network namespace")
    seen = subprocess.run(
        [*IN_AN_EMPTY_NETWORK, sys.executable, "-c", LOOK], capture_output=True, text=True, check=True
    )
    four, six = seen.stdout.splitlines()
    assert four.startswith("connect no-family this machine has no IPv4")
    assert six.startswith("connect no-family this machine has no IPv6")
