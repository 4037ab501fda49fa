"""`[ct] log_list` and `sslaudit update-ct-logs`: the log list of a whole run."""

from __future__ import annotations

import gc
import hashlib
import ssl
from pathlib import Path

import certifi
import pytest

from pytest_sslaudit.cli.program import main
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, ROOT, observed, served
from tests.support.evidence import keep, rows
from tests.support.x509.certificates import DAY, Draft
from tests.support.x509.ct_logs import ARGON, LISTED, NESSIE, as_extension, list_json, listed, logged, of_certificate

CONFIGURATION = '[ct]\nlog_list = "logs.json"\n'
FORGED = Draft(extra=(as_extension(listed(*(log.sct(of_certificate(b"")) for log in (ARGON, NESSIE)))),)).by(
    INTERMEDIATE
)
TRUE = logged(GOOD, ARGON, NESSIE)


class Folder:
    """A folder with evidence of an endpoint of the public PKI, a configuration file and downloads."""

    def __init__(self, pytester: pytest.Pytester, patch: pytest.MonkeyPatch) -> None:
        self.pytester, self.path = pytester, pytester.path
        (self.path / "root.pem").write_text(ssl.DER_cert_to_PEM_cert(ROOT.der))
        patch.setattr(certifi, "where", lambda: str(self.path / "root.pem"))
        self.configure(CONFIGURATION)

    def configure(self, text: str) -> None:
        (self.path / "sslaudit.toml").write_text(text)

    def judge(self, draft: Draft) -> pytest.RunResult:
        keep(self.path / "evidence", [observed(served(draft, INTERMEDIATE))])
        given = ("--audit-from-evidence=evidence", "--audit-results=results.jsonl", "-p", "no:cacheprovider")
        return self.pytester.runpytest("--pyargs", "audit", "--audit-check=cert.sct-insufficient", *given)

    def result(self) -> tuple[str, str]:
        (row,) = rows(self.path / "results.jsonl")
        return row["verdict"], row["message"]

    def list_of_run(self) -> object:
        (row,) = rows(self.path / "results.jsonl", "run")
        return row["ct_log_list"]

    def update(self, content: bytes) -> int:
        """Install a downloaded list, and return the exit status."""
        (self.path / "download.json").write_bytes(content)
        return main(["update-ct-logs", "download.json"])


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Folder:
    return Folder(pytester, monkeypatch)


def test_forged_scts_pass_with_a_warning_only_without_a_list(folder: Folder) -> None:
    folder.configure("")
    assert folder.judge(FORGED).ret == 0
    verdict, message = folder.result()
    assert verdict == "pass"
    assert "without a log list no signature was verified" in message
    assert folder.list_of_run() is None


def test_installed_list_finds_forged_scts_and_is_recorded(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    content = list_json()
    assert folder.update(content) == 0
    assert "logs.json: log list 71.4 of 2026-11-22 (SHA-256 " in capsys.readouterr().out
    assert folder.judge(FORGED).ret == 1
    verdict, message = folder.result()
    assert verdict == "fail"
    assert "does not have the log's signature" in message
    digest = hashlib.sha256(content).hexdigest()
    assert folder.list_of_run() == {"version": "71.4", "issued": "2026-11-22T10:00:00Z", "sha256": digest}
    assert folder.judge(TRUE).ret == 0
    assert folder.result()[1].startswith("verified against the log list 71.4")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory. Download https://"),
        (b"{}", "the list: it has no 'version'. Download https://"),
    ],
)
def test_unusable_list_is_a_usage_error_that_names_file_and_key(
    folder: Folder, content: bytes | None, message: str
) -> None:
    if content is not None:
        (folder.path / "logs.json").write_bytes(content)
    ended = folder.judge(TRUE)
    printed = ended.stdout.str() + ended.stderr.str()
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert f"sslaudit.toml: [ct] log_list: {folder.path}/logs.json: {message}" in printed
    assert "Traceback" not in printed
    gc.collect()  # a results file that the run left open would warn now


def test_older_or_unusable_list_is_not_installed(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    content = list_json()
    assert folder.update(content) == 0
    for other, message in (
        (list_json(issued=LISTED - DAY), "download.json: the log list 71.4 of 2026-11-21"),
        (b"<html>", "download.json: it is not JSON"),
    ):
        assert folder.update(other) == 4
        assert message in capsys.readouterr().err
        assert (folder.path / "logs.json").read_bytes() == content


def test_damaged_installed_list_is_replaced(folder: Folder) -> None:
    (folder.path / "logs.json").write_bytes(b"half a li")
    assert folder.update(list_json()) == 0
    assert (folder.path / "logs.json").read_bytes() == list_json()


def test_update_without_a_configured_place_says_what_to_add(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.configure("")
    assert folder.update(list_json()) == 4
    assert '[ct] log_list is not set; add log_list = "log_list.json" below [ct]' in capsys.readouterr().err


def test_update_refuses_a_missing_file(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update-ct-logs", "nowhere.json"]) == 4
    assert "update-ct-logs: nowhere.json: No such file or directory." in capsys.readouterr().err
    assert not Path(folder.path / "logs.json").exists()
