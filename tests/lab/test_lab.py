"""The lab as others rely on it: a process that says when it is ready, ends cleanly, and whose table holds together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit.endpoint import PORTS, parse_endpoint
from tests.lab.certificates import RECIPES
from tests.lab.demo import served
from tests.lab.faults import FAULTY, SOUND
from tests.lab.hostile import MISBEHAVIOURS
from tests.lab.lab import running

SEEN_FROM_OUTSIDE = {
    "svc.unreachable", "svc.plaintext", "svc.multi-address", "cert.expired", "cert.expiring", "cert.renewal-due",
    "cert.not-yet-valid", "cert.weak-signature", "cert.san-missing", "cert.eku-missing-serverauth",
    "cert.self-signed", "cert.untrusted", "cert.name-mismatch", "cert.validity-too-long", "cert.malformed",
    "chain.incomplete", "chain.order", "chain.intermediate-expiring", "key.weak", "tls.old-protocol",
    "dns.unresolvable",
}  # fmt: skip


def test_every_fault_that_can_be_seen_from_outside_is_planted_alone() -> None:
    assert {check for row in FAULTY for check in row.finds} == SEEN_FROM_OUTSIDE
    assert all(len(row.finds) == 1 for row in FAULTY)


def test_every_scheme_has_a_sound_endpoint() -> None:
    assert {row.scheme for row in SOUND} == set(PORTS)
    assert not any(row.finds for row in SOUND)


def test_every_recipe_and_misbehaviour_is_in_use() -> None:
    rows = (*SOUND, *FAULTY)
    assert {row.certificate for row in rows} == set(RECIPES)
    assert set(MISBEHAVIOURS) <= {row.behaviour for row in rows}


def test_every_endpoint_and_every_fault_is_named_in_the_lab_file(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        written = json.loads((tmp_path / "lab.json").read_text())
    assert set(written) == {"endpoints", "hosts", "trust", "arguments", "faults"}
    ids = {str(parse_endpoint(url)) for url in written["endpoints"]}
    assert len(ids) == len(lab.endpoints)
    assert set(written["faults"]) - ids == {"run/"}


def test_no_key_is_written(tmp_path: Path) -> None:
    with running(tmp_path):
        assert not [file for file in tmp_path.iterdir() if b"PRIVATE KEY" in file.read_bytes()]


def test_nothing_but_loopback_is_bound() -> None:
    addresses = {address for row in (*SOUND, *FAULTY) for address in row.addresses}
    assert all(address == "::1" or address.startswith("127.") for address in addresses)


def test_a_lab_that_has_ended_listens_no_more(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        endpoint = parse_endpoint(lab.endpoints[0])
        socket.create_connection((endpoint.connect_to, endpoint.port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((endpoint.connect_to, endpoint.port), timeout=5)


def test_a_client_that_reads_nothing_does_not_keep_a_lab_from_ending(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        endless = next(parse_endpoint(url) for url in lab.endpoints if "endless" in url)
        client = socket.create_connection((endless.connect_to, endless.port), timeout=5)
        client.recv(1)  # the conversation has begun
        began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 5.0


def test_what_stops_a_lab_from_starting_is_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileExistsError), running(tmp_path / "file"):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_lab_of_its_own_process_starts_quickly_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.lab", str(tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stderr is not None
    with child.stdout, child.stderr:
        ready = child.stdout.readline()
        assert (tmp_path / "lab.json").exists()
        child.send_signal(number)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert "until interrupted" in ready
        assert (child.returncode, child.stderr.read()) == (0, "")
    assert usage.ru_utime + usage.ru_stime < 2.0  # CPU, so that a busy machine does not matter


def test_a_lab_that_cannot_start_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError, match="did not start"), served(tmp_path / "file"):
        pass
