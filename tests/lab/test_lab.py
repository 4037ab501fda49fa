"""The lab as a process: it reports when it is ready and ends cleanly, and its table is consistent."""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import audit
from audit.checks import Check, check_of
from audit.config import read_configuration, subsections
from audit.endpoint import SCHEME_PORTS, parse_endpoint
from audit.host.discovery import Login, discover
from audit.verdict import Remedy, Severity
from remediate.issuers.store import StoreConfig
from tests.lab.certificates import CONTENTS, RECIPES
from tests.lab.demo import served
from tests.lab.faults import FAULTY, HOST, HOST_LABEL, LEFT_ALONE, REPAIRABLE, RUN_FINDS, SOUND
from tests.lab.hostile import MISBEHAVIOURS
from tests.lab.lab import running
from tests.lab.reading import host_endpoints

NOT_PLANTED = {
    "dns.not-this-host", "host.name-invalid", "host.not-inspected",  # of a host, and the lab's is the machine itself
    "key.reuse",  # of several hosts, and the lab's is one
    "ops.clock-skew",  # likewise
    "dcv.firewall", "dcv.firewall-narrow", "dcv.http-unreachable", "dcv.redirect-illegal", "dcv.stale-token",
    "ops.contact-missing", "ops.management-disabled", "ops.renewal-unscheduled",
    # of a panel's server, which has a lab of its own: tests/support/cpanel
    "ops.waiver-expired", "ops.waiver-stale",  # of what a user writes
    "ops.state-unusable", "svc.not-started",  # of a full disk, and of a host that was started anew
    "cert.profile-br", "cert.lint-br", "cert.internal-name", "cert.no-revocation-info", "cert.sct-insufficient",
    "cert.eku-clientauth",
    # of publicly trusted CAs, and the lab's is none
    "chain.root-included",  # it is harmless, and stays although a repair exists
}  # fmt: skip
STALE = ("svc.disk-vs-wire",)
"""What is seen beside a fault of the wire that the files do not have any more."""
OURS = (Remedy.REISSUE, Remedy.REKEY, Remedy.RECHAIN, Remedy.RELOAD)


def checks() -> dict[str, Check]:
    """Return all checks by id."""
    modules = (file.stem for file in (Path(audit.__file__).parent / "checks").glob("test_*.py"))
    functions = [vars(importlib.import_module(f"audit.checks.{module}")).values() for module in modules]
    return {one.id: one for found in functions for function in found if (one := check_of(function))}


def test_every_check_has_a_planted_fault_of_its_own() -> None:
    planted = {check for row in FAULTY for check in row.finds} | {*RUN_FINDS}
    assert planted == set(checks()) - NOT_PLANTED
    assert all(len(set(row.finds) - {*STALE}) == 1 for row in FAULTY if row.finds != STALE)


def test_faults_listed_as_repairable_have_a_remedy_and_files() -> None:
    known = checks()
    assert all(row.files for row in REPAIRABLE)
    assert all(known[check].remedy in (*OURS, Remedy.HOST) for row in REPAIRABLE for check in row.finds)
    worth_it = [known[check] for row in LEFT_ALONE for check in row.finds if known[check].severity is not Severity.INFO]
    assert not any(one.remedy in OURS for one in worth_it)


def test_host_has_the_same_id_in_lab_and_audit() -> None:
    (host,) = discover([Login(HOST, discover=False)], clock=lambda: datetime.now(UTC))
    assert str(host.host.endpoint) == f"{HOST_LABEL}/"


def test_every_scheme_has_an_endpoint_without_a_fault() -> None:
    assert {row.scheme for row in SOUND} == set(SCHEME_PORTS)
    assert not any(row.finds for row in SOUND)


def test_every_recipe_and_misbehaviour_is_in_use() -> None:
    rows = (*SOUND, *FAULTY)
    assert {row.certificate for row in rows} == set(RECIPES)
    assert {row.files.content for row in rows if row.files} == set(CONTENTS)
    assert set(MISBEHAVIOURS) <= {row.behaviour for row in rows}


def test_every_endpoint_and_every_fault_is_named_in_the_lab_file(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        written = json.loads((tmp_path / "lab.json").read_text())
    assert set(written) == {
        "endpoints", "hosts", "trust", "arguments", "faults", "store_orders", "mail", "downtime",
    }  # fmt: skip
    outside = {str(parse_endpoint(url)) for url in written["endpoints"]}
    inside = set(host_endpoints((tmp_path / "sslaudit.toml").read_text()))
    assert len(outside) == len(lab.endpoints)
    assert len(outside) + len(inside) == len((*SOUND, *FAULTY))
    assert set(written["faults"]) - outside - inside == {"run/"}
    assert written["hosts"] == [HOST]


def test_new_lab_has_no_orders_no_emails_and_no_downtime(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        assert (Path(lab.store_orders).read_bytes(), Path(lab.downtime).read_bytes()) == (b"", b"")
        assert list(Path(lab.mail).iterdir()) == []


def test_audit_reads_the_configuration_of_the_lab(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        configuration = read_configuration(tmp_path, None)
        assert configuration.hosts == lab.hosts
        assert len(configuration.service) == len([row for row in (*SOUND, *FAULTY) if row.files])
        store = subsections(configuration, "issuer")["store"]
        assert store.secret("token", store.decode(StoreConfig).token)()
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_only_keys_of_services_are_written_with_private_modes(tmp_path: Path) -> None:
    with running(tmp_path):
        keys = [file for file in tmp_path.rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()]
        modes = {file.parent.name: stat.S_IMODE(file.stat().st_mode) for file in keys}
    assert {file.relative_to(tmp_path).parts[:2] for file in keys} == {("host", "etc")}
    assert {name for name, mode in modes.items() if mode != 0o600} == {"open-key"}


def test_second_lab_in_a_directory_keeps_nothing_of_the_first(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        Path(lab.mail, "0001.eml").write_text("an email")
        first = Path(lab.trust).read_bytes()
    with running(tmp_path) as lab:
        assert not list(Path(lab.mail).iterdir())
        assert Path(lab.trust).read_bytes() != first


def test_directory_with_other_files_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "mine").write_text("an email")
    with pytest.raises(FileExistsError), running(tmp_path):
        pass
    assert (tmp_path / "mail" / "mine").read_text() == "an email"


def test_lab_listens_only_on_loopback_addresses() -> None:
    addresses = {address for row in (*SOUND, *FAULTY) for address in row.addresses}
    assert all(address == "::1" or address.startswith("127.") for address in addresses)


def test_stopped_lab_refuses_connections(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        endpoint = parse_endpoint(lab.endpoints[0])
        socket.create_connection((endpoint.connect_to, endpoint.port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((endpoint.connect_to, endpoint.port), timeout=5)


def test_client_that_reads_nothing_does_not_delay_the_end_of_a_lab(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        endless = next(parse_endpoint(url) for url in lab.endpoints if "endless" in url)
        client = socket.create_connection((endless.connect_to, endless.port), timeout=5)
        client.recv(1)  # the conversation has begun
        began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 30


def test_error_at_the_start_of_a_lab_is_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileExistsError), running(tmp_path / "file"):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_lab_process_starts_and_ends_quickly_without_an_error(tmp_path: Path, number: signal.Signals) -> None:
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


def test_lab_process_that_cannot_start_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError, match="did not start"), served(tmp_path / "file"):
        pass
