"""`python -m remediate` prints plans and states, and changes nothing by that."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.json_codec import format_time
from pytest_sslaudit.settings import INVENTORY, TESTINFRA
from remediate.challenges.dns_lookup import LookUps
from remediate.cli.main import access_of, main, parser
from remediate.model.audit_results import BadAuditResults, read_audit_results
from remediate.model.causes import Cause
from remediate.model.outcome import Attempt
from remediate.state.journal import CaseOutcome, Event, open_journal
from remediate.state.lock import locked
from remediate.state.waiting import Wait
from tests.support.checkout import CHECKOUT
from tests.support.remediate.journals import MAIL, WEB, a_case
from tests.support.remediate.result_rows import SUMMARY, Row, file, found, seen


@pytest.fixture(autouse=True)
def _no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no name server answer on this machine."""
    monkeypatch.setattr(LookUps, "has_dns", lambda *_: False)


def results(tmp_path: Path, *rows: Row) -> Path:
    """Write rows as a results file of an audit of just now."""
    file = tmp_path / "results.jsonl"
    now = format_time(datetime.now(UTC))
    lines = [json.dumps({**row, "observed_at": now}) for row in (*rows, SUMMARY)]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def test_plan_lists_repairs_and_reasons_for_no_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = "expired\x1b[2J 3 days ago"
    rows = (seen(WEB, ["localhost"]), found(WEB, "cert.expired", message=message), found(WEB, "cert.self-signed"),
            seen(MAIL, leaf="mail", key="mail"), found(MAIL, "tls.old-protocol"))  # fmt: skip
    assert main(["plan", str(results(tmp_path, *rows)), "--issuer", "store"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 to repair, 0 waiting, 1 explained"
    assert lines[2].startswith("canary: reissue on web1 (ssh://root@web1), case ")
    assert "  names     www.example.com" in lines
    assert "  left out  localhost: it has no domain; localhost is reserved and names no host" in lines
    assert f"  because   {WEB}: cert.expired: expired\N{REPLACEMENT CHARACTER}[2J 3 days ago" in lines
    assert any(line.startswith("configure ") and MAIL in line for line in lines)
    assert [file.name for file in tmp_path.iterdir()] == ["results.jsonl"]


def test_compressed_results_are_planned_and_cut_ones_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = results(tmp_path, seen(WEB), found(WEB, "cert.expired"))
    packed = tmp_path / "results.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    printed = []
    for given in (plain, packed):
        assert main(["plan", str(given), "--issuer", "store"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    packed.write_bytes(packed.read_bytes()[:-9])
    assert main(["plan", str(packed)]) == 4
    told = capsys.readouterr().err
    assert f"plan: {packed} ends within its gzip stream: the run that wrote it was killed" in told
    assert f"gzip -dc {packed} > results.jsonl" in told


LOST = "it (mode {}) and will not be able to"
ACCESS = pytest.mark.parametrize(
    ("mode", "acl", "lost"),
    [
        ("0600", [], []),
        ("0640", ["user:alice:r--", "group::r--"], []),  # they can read the new key, too
        ("0644", [], ["every user can read"]),
        ("0602", [], ["every user can write"]),
        ("0666", [], ["every user can read and write"]),
        ("0660", [], ["the group tls can write"]),
        ("0664", [], ["every user can read", "the group tls can write"]),
        (
            "0660",
            ["user:alice:rw-", "user:bob:r--", "group::---", "group:ops:-w-"],
            ["the user alice can write", "the group ops can write"],
        ),
        ("0660", ["group::rw-"], ["the group tls can write"]),
        (
            "0660",
            None,
            ["each user and group that its ACL lets write (the host has no getfacl to list them) can write"],
        ),
    ],
)


@ACCESS
def test_plan_names_users_who_lose_access_to_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, acl: list[str] | None, lost: list[str]
) -> None:
    key = file("/etc/ssl/www.key", "key", "old-key", group="tls", mode=mode, acl=acl)
    rows = (seen(WEB, files=[file("/etc/ssl/www.pem", key="old-key"), key]), found(WEB, "cert.expired"))
    assert main(["plan", str(results(tmp_path, *rows)), "--issuer", "store"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  access ")]
    new = f"the new key (mode {int(mode, 8) & 0o640:04o}, owner root, group tls)"
    assert said == [
        f"  access    /etc/ssl/www.key: {one} {LOST.format(mode)} {one.rpartition(' can ')[2]} {new}" for one in lost
    ]


def test_plan_of_an_unchanged_key_names_no_lost_access(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = file("/etc/ssl/www.key", "key", "old-key", mode="0644")
    rows = (seen(WEB, files=[file("/etc/ssl/www.pem", key="old-key"), key]), found(WEB, "chain.incomplete"))
    main(["plan", str(results(tmp_path, *rows)), "--issuer", "store"])
    said = capsys.readouterr().out
    assert "rechain on web1" in said
    assert "access" not in said


def test_plan_is_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"), found(WEB, "dns.unresolvable"))
    assert main(["plan", str(results(tmp_path, *rows)), "--issuer", "store", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["cases"] == []
    assert made["waiting"][0]["case"]["names"] == ["www.example.com"]
    text = f"{WEB}: dns.unresolvable: dns.unresolvable it is"
    assert made["waiting"][0]["blocked_by"] == [{"cause": "dns.unresolvable", "text": text}]
    assert [one["kind"] for one in made["explained"]] == ["dns"]


def test_status_is_a_table_of_all_that_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    case, tomorrow = a_case(), now + timedelta(days=1)
    failed, old, rolled_back = (replace(case, id=case_id) for case_id in ("failed", "old", "rolled-back"))
    with open_journal(tmp_path / "state") as journal:
        for begun in (case, failed, old, rolled_back):
            journal.begin(begun, now)
        journal.record(case.id, Event("preconditions", "intended", now - timedelta(hours=2)))
        journal.attempts.add(case.id, Attempt(now, "failed", next_at=tomorrow))
        journal.attempts.add(failed.id, Attempt(now, "proven"))
        attempt = Attempt(now, "failed", "self-test", Cause.DCV_MISSING, "HTTP 404\nat an address", next_at=tomorrow)
        journal.attempts.add(failed.id, attempt)
        journal.attempts.add(failed.id, replace(attempt, is_early=True))
        journal.attempts.add(old.id, replace(attempt, at=now - timedelta(days=9), next_at=now - timedelta(days=8)))
        for ended in (failed, old):
            journal.end(ended.id, CaseOutcome("failed", now))
        journal.end(rolled_back.id, CaseOutcome("rolled-back", now, "a" * 64))
        waits, busy = replace(case, id="planned"), replace(case, id="busy")
        journal.waiting.replace(["web1"], [Wait(waits, "a name is dead")], now)
        journal.waiting.update([], [Wait(busy, "issuer.busy: the CA\nis busy", "order", tomorrow)], now)
        journal.outbox.add("state", b"message", now)
    assert main(["status", "--state", str(tmp_path / "state")]) == 0
    head, *listed, queued = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", head) == ["case", "repair", "host", "step", "state", "age", "next try", "tries", "why"]
    then = f"{tomorrow:%Y-%m-%d %H:%M} UTC"
    cells = {(row := re.split(r"  +", line))[0]: row[3:] for line in listed}
    assert cells.pop(case.id)[:5] == ["preconditions", "intended", "2 h", then, "1"]
    assert cells.pop("failed")[-3:] == [then, "2 (1 early)", "dcv.missing: HTTP 404"]
    assert cells.pop("rolled-back")[-3:] == ["resume --now", "0", "rolled back: waits for a new finding"]
    assert cells.pop("planned")[-3:] == ["next run", "0", "a name is dead"]
    assert cells.pop("busy") == ["order", "waits", "0 s", then, "0", "issuer.busy: the CA is busy"]
    assert (cells, queued) == ({}, "notifications to send: 1")


def test_status_of_a_begun_case_names_what_it_waits_for_since_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now, case = datetime.now(UTC), a_case()
    with open_journal(tmp_path / "state") as journal:
        journal.begin(case, now)
        journal.attempts.add(case.id, Attempt(now, "pending", "collect", Cause.ISSUER_PENDING, "o-1", next_at=now))
        journal.waiting.update([], [Wait(case, "run.canary: the first repair failed", "collect")], now)
    assert main(["status", "--state", str(tmp_path / "state")]) == 0
    assert capsys.readouterr().out.rstrip().endswith("next run  1      run.canary: the first repair failed")
    with open_journal(tmp_path / "state") as journal:
        journal.waiting.update([case.id], [], now)
        assert journal.waiting.all() == ()


def test_status_names_the_run_that_works_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_journal(tmp_path / "state").__exit__(None, None, None)
    with locked(tmp_path / "state", "pytest --remediate", datetime.now(UTC)):
        assert main(["status", "--state", str(tmp_path / "state")]) == 0
    assert re.search(r"is in use by process \d+ \(pytest --remediate\) for ", capsys.readouterr().out)


@pytest.mark.parametrize("command", ["plan", "apply", "resume", "status", "rollback", "release"])
def test_every_command_takes_the_host_options_of_an_audit(command: str) -> None:
    given = ("--hosts=ssh://web1,local://", "--connection=ssh", "--ssh-config=c", "--ssh-identity-file=i",
             "--ssh-extra-args=-4", "--sudo", "--sudo-user=u", "--ansible-inventory=a", "--force-ansible")  # fmt: skip
    case = {"plan": ("results",), "rollback": ("case",)}.get(command, ())
    access = access_of(parser("repair").parse_args([command, *case, *given]))
    assert access.hosts == ("ssh://web1", "local://")
    assert access.testinfra == {
        "connection": "ssh", "ssh_config": "c", "ssh_identity_file": "i", "ssh_extra_args": "-4", "sudo": True,
        "sudo_user": "u", "ansible_inventory": "a", "force_ansible": True,
    }  # fmt: skip
    assert set(access.testinfra) == {*TESTINFRA, *INVENTORY}
    inventory = access_of(parser("repair").parse_args([command, *case, "--ansible-inventory=a"]))
    assert inventory.hosts == ("ansible://all",)


def test_status_without_open_cases_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_journal(tmp_path / "state").__exit__(None, None, None)
    assert main(["status", "--state", str(tmp_path / "state")]) == 0
    assert capsys.readouterr().out == "no case is open\n"


@pytest.mark.parametrize("arguments", [["plan", "/none.jsonl"], ["status", "--state", "/none"], ["plan"], ["dance"]])
def test_unusable_input_is_a_usage_error_in_one_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert status == 4
    assert "remediate" in capsys.readouterr().err


def test_module_is_a_program_whose_errors_are_one_sentence() -> None:
    command = [sys.executable, "-m", "remediate", "status", "--state", "/none"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 4
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 is not an object"),
        ('{"kind": "result"}', "row 1 is not a valid result of an audit"),
        ('{"kind": "observation", "endpoint": "x y"}', "row 1 is not a valid observation of an audit"),
    ],
)
def test_line_not_written_by_an_audit_is_named(line: str, why: str) -> None:
    with pytest.raises(BadAuditResults, match=why):
        read_audit_results([line])


@pytest.mark.parametrize("made", ["audit.py", "audit/__init__.py"])
def test_own_module_in_place_of_audit_is_named(tmp_path: Path, made: str) -> None:
    (tmp_path / made).parent.mkdir(exist_ok=True)
    (tmp_path / made).write_text("mine = True\n")
    path = f"{tmp_path}:{CHECKOUT}"  # as for a program that was started in this directory
    command = [sys.executable, "-m", "remediate", "status", "--state", "/none"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert (
        f"the module `audit` that Python finds is {tmp_path / made}, not that of {CHECKOUT}: rename it" in done.stderr
    )
    assert "Traceback" not in done.stderr
