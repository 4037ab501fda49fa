"""`--remediate` audits, repairs and audits again in one run; the last verdict counts, and the first is reported."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, Final

import pytest

from audit.config.line_files import read_lines
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.run import RepairRun
from remediate.state.database import BrokenState
from remediate.state.lock import locked
from tests.lab.demo import served
from tests.support.evidence import rows
from tests.support.notify.webhook_receiver import SECRET, Receiver, receiving
from tests.support.probe.tls_servers import closed_port

EXPIRED: Final = "expired-mail"  # labels of services of the lab that share no file
OLD: Final = "expiring-mx"
REFUSED: Final = "sha1"
LONG: Final = "too-long"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve the lab from a process of its own."""
    with served(tmp_path_factory.mktemp("lab"), EXPIRED, OLD, REFUSED, LONG) as told:
        yield told


def run(pytester: pytest.Pytester, lab: Any, *arguments: str) -> pytest.RunResult:  # noqa: ANN401 - JSON
    """Audit the lab as a user would."""
    given = ("--pyargs", "audit", *lab["arguments"], "--audit-results", "results.jsonl", *arguments)
    return pytester.runpytest(*given)


def configuration_with_webhook(folder: Path, lab: Any, receiver: Receiver) -> Path:  # noqa: ANN401 - JSON
    """Write the configuration of the lab with a webhook beside its emails, and return its file."""
    given = lab["arguments"]
    secret, file = folder / "webhook-secret", folder / "webhook.toml"
    secret.touch(mode=0o600)
    secret.write_text(f"{SECRET}\n")
    written = Path(given[given.index("--audit-config") + 1]).read_text()
    keys = f'kind = "webhook"\nurl = "{receiver.url()}"\nsecret = {{ file = "{secret.name}" }}\n'
    table = written.index("\n[[service]]")
    file.write_text(f"{written[:table]}\n[notify.ops]\n{keys}{written[table:]}")
    return file


def of(name: str, *more: str) -> tuple[str, ...]:
    """Return the arguments that leave only the endpoints of that name in the run."""
    return ("-k", " and ".join((f"{name}.lab.test", *more)))


def orders(lab: Any, name: str) -> int:  # noqa: ANN401 - JSON
    """Return how often a certificate of that name was ordered."""
    return Path(lab["store_orders"]).read_text().count(f'"{name}.lab.test"')


def test_failed_endpoint_is_repaired_and_the_last_verdict_counts(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    reports = ("--junit-xml=junit.xml", "--html=report.html")
    with receiving() as receiver:
        webhook = ("--audit-config", str(configuration_with_webhook(pytester.path, lab, receiver)))
        result = run(pytester, lab, "--remediate", *of(EXPIRED), *reports, *webhook)
    assert result.ret == 0, result.stdout.str()
    verdicts = {(row["check"], row["phase"]): row["verdict"] for row in rows(pytester.path / "results.jsonl", "result")}
    assert (verdicts["cert.expired", "before"], verdicts["cert.expired", "after"]) == ("fail", "pass")
    assert {phase for _, phase in verdicts} == {"before", "after"}
    result.stdout.fnmatch_lines(["*= repairs =*", f"repaired *{EXPIRED}.lab.test", "notification * sent"])
    junit = (pytester.path / "junit.xml").read_text()
    assert (junit.count('name="test_not_expired['), 'failures="0"' in junit) == (1, True)
    assert 'name="before" value="fail (critical): expired' in junit
    html = (pytester.path / "report.html").read_text()
    assert "before: fail (critical): expired" in html
    assert "Repairs: 1 repaired" in html
    (case,) = (row["case"] for row in rows(pytester.path / "results.jsonl", "remediation"))
    result.stdout.fnmatch_lines([f"repaired *  {case}  {EXPIRED}.lab.test"])
    assert f"<td>{case}</td>" in html
    (message,) = receiver.messages.values()  # their signatures are verified
    assert message["data"]["items"][0]["case"] == case
    assert (message["type"], message["data"]["counts"]["repaired"]) == ("sslaudit.repaired", 1)
    assert {found["check"] for found in message["data"]["items"][0]["findings"]} >= {"cert.expired"}
    result.stdout.fnmatch_lines([f"notification * to notify.ops: {socket.getfqdn()}: expired *; repaired"])


def test_results_hold_the_repair_of_each_endpoint(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    assert run(pytester, lab, "--remediate", *of(OLD)).ret == 0
    file = pytester.path / "results.jsonl"
    [row] = rows(file, "remediation")
    assert {seen["login"] for seen in rows(file, "observation") if seen["host"]} == {getpass.getuser()}
    leaves = {seen["phase"]: seen["chain"][0]["sha256"] for seen in rows(file, "observation") if seen["chain"]}
    assert (row["outcome"], row["before"], row["after"]) == ("proven", leaves["before"], leaves["after"])
    assert [step["step"].split()[0] for step in row["steps"] if step["state"] == "done"] == [
        "preconditions", "self-test", "key", "order", "collect", "install", "reload", "proof",
    ]  # fmt: skip
    again = run(pytester, lab, "--remediate", *of(OLD))
    assert (again.ret, orders(lab, OLD)) == (0, 1)
    assert list(rows(file, "remediation")) == []


@pytest.mark.parametrize("left_out", [of(REFUSED, "not svc.unreachable"), (*of(REFUSED), "--audit-check=cert.*")])
def test_endpoint_with_a_deselected_check_is_not_repaired(
    pytester: pytest.Pytester,
    lab: Any,  # noqa: ANN401 - JSON
    left_out: tuple[str, ...],
) -> None:
    brief = run(pytester, lab, "--remediate-dry-run", *left_out)
    brief.stdout.fnmatch_lines(["waiting: reissue on * case *", "  waits *not all checks were run on *without -k*"])
    brief.stdout.no_fnmatch_line("no issuer is chosen*")
    result = run(pytester, lab, "--remediate", "-v", *left_out)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["0 to repair, 1 waiting*", "*not all checks were run on *without -k*"])
    assert orders(lab, REFUSED) == 0


def digests(folder: Path) -> dict[str, str]:
    """Return a digest of every file below a folder but what the lab itself writes."""
    files = [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("downtime")]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_dry_run_prints_the_repair_and_changes_nothing(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    folder = Path(lab["mail"]).parent
    run(pytester, lab, *of(REFUSED))  # the audit itself caches the answers about revocation
    before = digests(folder)
    result = run(pytester, lab, "--remediate-dry-run", *of(REFUSED))
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "canary: reissue on * case *",
            "*make a key (ecdsa-p256)*",
            "*POST http://127.0.0.1:*/api/v1/orders",
            "nothing was changed; *",
        ]
    )
    assert digests(folder) == before
    assert {row["phase"] for row in rows(pytester.path / "results.jsonl", "result")} == {"before"}


def test_failed_repair_is_reported_with_its_cause_and_fails_the_run(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    token = Path(lab["mail"]).parent / "token"
    right = token.read_text()
    token.write_text("not-the-token\n")
    try:
        result = run(pytester, lab, "--remediate", "--audit-fail-on=critical", *of(LONG))
        again = run(pytester, lab, "--remediate-now", "--audit-fail-on=critical", *of(LONG))
    finally:
        token.write_text(right)
    again.stdout.fnmatch_lines([
        f"failed *{LONG}.lab.test: order: issuer.authentication: store: *; tried before the end of its waiting time*",
        "1 of these was tried before the end of the waiting time, on request",
    ])  # fmt: skip
    assert result.ret == 1  # the finding alone is below the level
    result.stdout.fnmatch_lines([f"failed *{LONG}.lab.test: order: issuer.authentication: store: *"])
    [row] = rows(pytester.path / "results.jsonl", "remediation")
    assert (row["outcome"], row["cause"], row["before"]) == ("failed", "issuer.authentication", row["after"])
    assert "not-the-token" not in result.stdout.str() + (pytester.path / "results.jsonl").read_text()


def test_second_run_at_a_time_audits_and_names_the_running_process(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    state = Path(lab["mail"]).parent / "state"
    state.mkdir(mode=0o700, exist_ok=True)  # no other test may have run before
    with locked(state, "another run", datetime.now(UTC)):
        result = run(pytester, lab, "--remediate", *of(REFUSED))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["nothing was repaired: *is in use by process * (another run)*"])
    assert orders(lab, REFUSED) == 0


def finds_its_state_unusable(folder: Path, lab: Any, output: str, why: str) -> bool:  # noqa: ANN401 - JSON
    """Return whether an audit reported a state directory that cannot be used, ordered nothing, and sent its email."""
    (results,) = folder.glob("results.jsonl*")
    (found,) = [row for row in rows(results) if row["check"] == "ops.state-unusable"]
    emails = [file.read_text() for file in Path(lab["mail"]).iterdir() if file.suffix]
    (email,) = [text for text in emails if "ops.state-unusable" in text]
    assert (found["verdict"], found["severity"], why in found["message"]) == ("fail", "high", True), found
    assert re.search(f"(?m)^nothing is repaired: .*{why}", output)
    assert f"{REFUSED}.lab.test" in email
    return not orders(lab, REFUSED)


OF_STATE: Final = ("-k", f"{REFUSED}.lab.test or test_state_is_usable")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize(
    ("options", "why"),
    [("size=64k", "disk is full"), ("size=512k", "No space left on device"), ("ro", "Read-only file system")],
)
def test_state_disk_that_takes_nothing_is_a_finding_that_is_mailed(
    pytester: pytest.Pytester,
    lab: Any,  # noqa: ANN401 - JSON
    options: str,
    why: str,
) -> None:
    for email in Path(lab["mail"]).iterdir():
        email.unlink()
    pytester.mkdir("state").chmod(0o700)
    mount = f'mount -t tmpfs -o {options},mode=700 tmpfs state && exec "$@"'
    arguments = (*lab["arguments"], "--audit-results=results.jsonl", "--remediate", "--audit-state=state", *OF_STATE)
    result = pytester.run(
        "unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-m", "pytest", "--pyargs", "audit", *arguments
    )
    assert result.ret == 1
    assert finds_its_state_unusable(pytester.path, lab, result.stdout.str(), why)


def test_damaged_journal_is_a_finding_that_is_mailed(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    for email in Path(lab["mail"]).iterdir():
        email.unlink()
    pytester.mkdir("state").chmod(0o700)
    (pytester.path / "state/journal.sqlite").write_bytes(b"something else" * 100)
    result = run(pytester, lab, "--remediate", "--audit-state=state", "--audit-results=results.jsonl.gz", *OF_STATE)
    assert result.ret == 1
    assert finds_its_state_unusable(pytester.path, lab, result.stdout.str(), "is not a journal, or is damaged")
    (sent,) = (file.read_bytes() for file in Path(lab["mail"]).iterdir() if file.suffix)
    (attached,) = message_from_bytes(sent, policy=default).iter_attachments()
    assert attached.get_filename() == "results.jsonl"
    assert attached.get_content() == "".join(read_lines(pytester.path / "results.jsonl.gz")).encode()


def filled(*_: object) -> None:
    """Fail as a disk does that fills up in the middle of a repair."""
    raise BrokenState("database or disk is full")


def test_state_disk_that_fills_up_later_is_mailed(
    pytester: pytest.Pytester,
    lab: Any,  # noqa: ANN401 - JSON
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RepairRun, "repair", filled)
    result = run(pytester, lab, "--remediate", "--audit-state=state", *of(REFUSED))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["nothing is repaired: database or disk is full", "notification * sent"])
    assert any("ops.state-unusable" in file.read_text() for file in Path(lab["mail"]).iterdir() if file.suffix)


def broken(*_: object) -> None:
    """Fail as a bug of ours would."""
    raise KeyError("a bug of ours")


def test_bug_in_the_repair_only_changes_the_exit_status(
    pytester: pytest.Pytester,
    lab: Any,  # noqa: ANN401 - JSON
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RepairRun, "repair", broken)
    result = run(pytester, lab, "--remediate", *of(REFUSED))
    assert result.ret == 3
    result.stdout.fnmatch_lines(["*KeyError: 'a bug of ours'", "*critical cert.weak-signature*"])
    assert json.loads((pytester.path / "results.jsonl").read_text().splitlines()[-1])["kind"] == "summary"


def test_test_without_an_endpoint_runs_once(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    content = "def test_expired_mail_lab_test_once():\n    with open('ran', 'a') as ran: ran.write('x')\n"
    own = pytester.makepyfile(test_own=content)
    assert run(pytester, lab, "--remediate", str(own), "-k", f"{EXPIRED}.lab.test or once").ret == 0
    assert (pytester.path / "ran").read_text() == "x"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--remediate", "--remediate-dry-run"), "--remediate and --remediate-dry-run exclude each other"),
        (("--remediate", "-n", "2"), "--remediate with -n: one process makes all repairs; leave out -n"),
        (("--remediate-dry-run", "-n", "2"), "--remediate-dry-run with -n"),
        (
            ("--remediate", "--audit-now", "2026-11-23T10:00:00Z"),
            "--remediate with --audit-now: only the current state is repaired",
        ),
        (
            ("--remediate", "--audit-from-evidence", "."),
            "--remediate with --audit-from-evidence: only the current state is repaired",
        ),
        (("--remediate", "--allow-retry", "--no-retry"), "--allow-retry and --no-retry exclude each other"),
        (("--remediate", "--audit-issuer", "stroe"), r"no \[issuer.stroe\]; there is none"),
        (("--remediate", "--audit-state", "open"), r"others may enter the state directory .*open.*chmod it to 700"),
        (("--remediate", "--audit-state", "/var/lib/sslaudit"), "is where a repaired host keeps its versions: choose"),
    ],
)
def test_option_that_leaves_a_repair_unproven_is_refused(
    pytester: pytest.Pytester, arguments: tuple[str, ...], message: str
) -> None:
    pytester.mkdir("open").chmod(0o755)
    result = pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:1", *arguments)
    assert result.ret == 4
    result.stderr.re_match_lines([f"ERROR: .*{message}"])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[issuer.store]\nkind = "stroe"\nbase_url = "https://x"\ntoken = { file = "token" }', "the name 'stroe'"),
        ('[issuer.store]\nkind = "store"\ntoken = { file = "token" }', r"store\]: the key 'base_url' is missing"),
        ('[issuer.store]\nkind = "store"\nbase_url = "https://x/api"', r"\[issuer.store\]: the key 'token' is missing"),
        ('[issuer.store]\nkind = "store"\nbase_url = "http://x/api"\ntoken = { file = "token" }', "sent unencrypted"),
        ('[issuer.store]\nkind = "store"\nbase_url = "https://x/api"\ntoken = { file = "none" }', "none: No such file"),
        ('[probe]\nroot_hints = "none"', "probe.root_hints: .*No such file"),
        ('[mail]\nsmtp = "gopher://x"', r"\[mail\]: "),
    ],
)  # fmt: skip
def test_configuration_that_cannot_repair_is_refused_before_the_audit(
    pytester: pytest.Pytester, table: str, message: str
) -> None:
    token = pytester.path / "token"
    token.write_text("secret\n")
    token.chmod(0o600)
    chosen = '[remediate]\nissuer = "store"\n' if "issuer.store" in table else ""
    (pytester.path / "sslaudit.toml").write_text(f"{chosen}{table}\n")
    result = pytester.runpytest(
        "--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:1", "--remediate", "--audit-state=state"
    )
    assert result.ret == 4
    result.stderr.re_match_lines([f"ERROR: .*sslaudit.toml: .*{message}"])
    assert not (pytester.path / "state").exists()


NOTE: Final = "a service did not come up with the old files: cannot open <tls.key>"
NO_MAIL: Final = "no mail to <b>@evil.test, which web1 reports as contact: the domain is neither"


def service_down(_run: RepairRun, planned: Plan, _discoveries: object) -> tuple[CaseResult, ...]:
    """Leave the service of every case down."""
    return tuple(CaseResult(case, "failed", "reload", Cause.SERVICE_DOWN, NOTE) for case in planned.cases)


def refused_contact(*given: Any) -> tuple[str, ...]:  # noqa: ANN401 - what the run notifies of
    """Report that a contact gets no mail."""
    *_, on_refused = given
    on_refused(NO_MAIL)
    return (NO_MAIL,)


@pytest.fixture
def down(
    pytester: pytest.Pytester,
    lab: Any,  # noqa: ANN401 - JSON
    monkeypatch: pytest.MonkeyPatch,
) -> pytest.RunResult:
    """Run an audit whose repair leaves a service down, and in which a contact gets no mail; no finding fails it."""
    monkeypatch.setattr(RepairRun, "repair", service_down)
    monkeypatch.setattr(RepairRun, "notify", refused_contact)
    reports = ("--html=report.html", "--audit-fail-on=critical")
    return run(pytester, lab, "--remediate", *reports, *of(LONG))


def test_service_that_is_down_comes_first_in_terminal_and_report(
    pytester: pytest.Pytester, down: pytest.RunResult
) -> None:
    assert down.ret == 1
    lines = down.stdout.lines
    first = next(number for number, line in enumerate(lines) if line.startswith("SERVICE DOWN: "))
    assert f": {NOTE}. To do: " in lines[first]
    sections = [number for number, line in enumerate(lines) if line.strip("= ") in ("sslaudit", "repairs")]
    assert [first < number for number in sections] == [True, True]
    assert lines[sections[0] - 1] == lines[first]
    html = (pytester.path / "report.html").read_text()
    _, _, ours = html.partition('<div class="sslaudit">')
    escaped = NOTE.replace("<", "&lt;").replace(">", "&gt;")
    assert ours.startswith('<p class="sslaudit-warning">SERVICE DOWN: ')
    assert f": {escaped}. To do: " in ours.partition("</p>")[0]


def test_contact_that_gets_no_mail_is_in_terminal_and_report(pytester: pytest.Pytester, down: pytest.RunResult) -> None:
    assert NO_MAIL in down.stdout.lines
    html = (pytester.path / "report.html").read_text()
    assert f'<p class="sslaudit-contacts">{NO_MAIL.replace("<", "&lt;").replace(">", "&gt;")}</p>' in html


WARNING: Final = """
import warnings
from audit import check

@check("acme.warns", severity="high")
def test_warns(endpoint): warnings.warn("old", DeprecationWarning)
"""


def test_warnings_before_a_repair_are_listed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=WARNING)
    with closed_port() as closed:
        given = ("-W", "always::DeprecationWarning", f"--audit-endpoint=https://127.0.0.1:{closed}")
        ended = pytester.runpytest("test_own.py", *given, "--remediate-dry-run")
    ended.assert_outcomes(passed=1, warnings=1)
