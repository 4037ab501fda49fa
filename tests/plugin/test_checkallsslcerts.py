"""`checkallsslcerts` on the machine it is started on: what it prints, writes and mails, and how it ends."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit.config import BadConfiguration, Configuration
from pytest_sslaudit.cli import local_server
from pytest_sslaudit.cli.checkallsslcerts import again, main
from pytest_sslaudit.cli.local_server import find_configuration, own_command, report_folder, with_defaults
from pytest_sslaudit.cli.narrator import Console
from remediate.state.lock import locked
from tests.lab.demo import served
from tests.support.evidence import rows

SELF_SIGNED = "self-signed"  # labels of services of the lab that share no file
OLD = "expiring-mx"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve the lab from a process of its own; its host's configuration says all of it."""
    with served(tmp_path_factory.mktemp("lab"), SELF_SIGNED, OLD) as told:
        given = dict(zip(told["arguments"][::2], told["arguments"][1::2], strict=True))
        file = Path(given["--audit-config"])
        trusted = f"trust = {json.dumps([given['--audit-trust']])}\npolicy = {json.dumps([given['--audit-policy']])}\n"
        file.write_text(trusted + file.read_text())
        yield {**told, "config": str(file)}


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a nightly job does: in a folder of no meaning, with its reports in one of their own."""
    command = [sys.executable, "-W", "error", "-m", "pytest_sslaudit.cli.checkallsslcerts", *arguments]
    environment = {**os.environ, "LOGS_DIRECTORY": str(folder), "PYTEST_ADDOPTS": "--collect-only"}
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False, timeout=180)


def number_of_emails(lab: Any) -> int:  # noqa: ANN401 - JSON
    return len(list(Path(lab["mail"]).glob("*.eml")))


def test_first_night_replaces_certificates_and_second_finds_nothing(lab: Any, tmp_path: Path) -> None:  # noqa: ANN401 - JSON
    folder = tmp_path / "reports"
    first = check(folder, "--config", lab["config"], "--verbose")
    assert (first.returncode, first.stderr) == (0, ""), first.stdout
    lines = first.stdout.splitlines()
    assert [line for line in lines if "will attempt" in line] == [
        (
            "The system will attempt to replace the certificate that expires soon for the expiring-mx service "
            "(expiring-mx.lab.test) with a signed certificate from the issuer store."
        ),
        (
            "The system will attempt to replace the self-signed certificate for the self-signed service "
            "(self-signed.lab.test) with a signed certificate from the issuer store."
        ),
    ]
    (repaired,) = (
        line for line in lines if re.fullmatch(r"repaired  reissue  local  \w{16}  self-signed.lab.test", line)
    )
    assert lines.index("local self-signed.lab.test: order intended") < lines.index(repaired)
    assert f"the report: {folder}/report.html" in lines
    assert number_of_emails(lab) == 1
    assert (folder / "checkallsslcerts.log").read_text() == first.stdout
    assert {row["outcome"] for row in rows(folder / "results.jsonl", "remediation")} == {"proven"}
    assert "Repairs: 2 repaired" in (folder / "report.html").read_text()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    second = check(folder, "--config", lab["config"])
    assert (second.returncode, second.stdout, second.stderr) == (0, "", ""), "cron would mail it"
    assert number_of_emails(lab) == 1
    log = (folder / "checkallsslcerts.log").read_text()
    assert "Nothing is wrong with the certificate of the self-signed service" in log, "it has what --verbose prints"
    assert log.splitlines()[-1].startswith("1 host, 2 endpoints; findings: none; ")
    assert log.endswith(f"the report: {folder}/report.html\n")


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the reports of commands in this process, and see that no configuration of ours is found."""
    monkeypatch.setenv("LOGS_DIRECTORY", str(tmp_path / "reports"))
    monkeypatch.setattr(local_server, "PLACES", ())
    return tmp_path / "reports"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--verb"], "unrecognized arguments: --verb"),
        (["now"], "unrecognized arguments: now"),
        (["--allow-retry", "--no-retry"], "argument --no-retry: not allowed with argument --allow-retry"),
    ],
)
def test_unknown_or_conflicting_arguments_are_refused(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 4
    assert capsys.readouterr().err.splitlines()[-1] == f"checkallsslcerts: {line}"


def test_help_lists_exit_statuses_and_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for option, said in (("--help", "75 another run is in"), ("--version", "checkallsslcerts 0.1.0\n")):
        with pytest.raises(SystemExit) as ended:
            main([option])
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


def test_missing_configuration_is_reported_in_one_line(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", "/nowhere/x.toml"]) == 4
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "checkallsslcerts: configuration /nowhere/x.toml: No such file or directory\n")
    assert not reports.exists()


def test_configuration_that_others_can_change_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sslaudit.toml"
    file.touch()
    assert find_configuration(str(file)) == file
    file.chmod(0o666)
    with pytest.raises(BadConfiguration, match=rf"others can change it: .* \(mode 0666\): chmod go-w {file}"):
        find_configuration(str(file))


def test_invalid_configuration_has_the_exit_status_of_pytest(reports: Path, tmp_path: Path) -> None:
    file = tmp_path / "sslaudit.toml"
    file.write_text("remdiate = 1\n")
    said = check(reports, "--config", str(file))
    assert (said.returncode, said.stdout) == (4, "")
    assert f"{file}: unknown key 'remdiate'; did you mean 'remediate'?" in said.stderr


def test_second_run_at_a_time_writes_nothing(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report_folder()
    with locked(reports, "checkallsslcerts", datetime.now(UTC)):
        assert main([]) == 75
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"checkallsslcerts: nothing was done: {reports} is in use by process {os.getpid()} ")
    assert {file.name for file in reports.iterdir()} == {"lock"}


def _mkdir_of_user(mkdir: Callable[[Path, int], None], path: Path, mode: int) -> None:
    """Make a directory as the user 1000 would, whom root plays."""
    mkdir(path, mode)
    os.chown(path, 1000, 1000)


def test_reports_of_an_unprivileged_user_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOGS_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if os.geteuid() == 0:
        mkdir = Path.mkdir
        monkeypatch.setattr(Path, "mkdir", lambda path, mode: _mkdir_of_user(mkdir, path, mode))
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    made = report_folder()
    assert made == tmp_path / "state/sslaudit/reports"
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (made, made.parent)} == {0o700}


def test_resumed_run_uses_the_same_configuration_and_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    plain = again(Path("/etc/sslaudit.toml"))
    assert plain == (*own_command("checkallsslcerts"), "--no-retry", "--config", "/etc/sslaudit.toml")
    assert again(None) == plain[:-2]
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    assert again(None) == ("env", "XDG_STATE_HOME=/srv/state", *plain[:-2])


def test_closed_output_ends_no_run(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with (tmp_path / "log").open("w") as log, os.fdopen(writes, "w") as stream:
        voice = Console(stream, log, is_verbose=False)
        voice.say("one")
        voice.say("a detail", is_detail=True)
        voice.say("two")
    assert (tmp_path / "log").read_text() == "one\na detail\ntwo\n"


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "is_verbose", "printed"),
    [(io.StringIO(), False, ""), (io.StringIO(), True, "well\n"), (Terminal(), False, "well\n")],
    ids=["cron", "--verbose", "terminal"],
)
def test_that_all_is_well_is_printed_on_a_terminal_only(stream: io.StringIO, printed: str, *, is_verbose: bool) -> None:
    log = io.StringIO()
    Console(stream, log, is_verbose=is_verbose).say_all_is_well("well")
    assert (stream.getvalue(), log.getvalue()) == (printed, "well\n")


def test_characters_outside_the_output_encoding_are_escaped() -> None:
    heard, log = io.BytesIO(), io.BytesIO()
    with io.TextIOWrapper(heard, "ascii") as stream, io.TextIOWrapper(log, "utf-8") as kept:
        Console(stream, kept, is_verbose=False).say("caf\u00e9 \udcff")
        assert (heard.getvalue(), log.getvalue()) == (rb"caf\xe9 \udcff" + b"\n", "caf\u00e9 \\udcff\n".encode())


def test_missing_settings_get_defaults(tmp_path: Path) -> None:
    program = tmp_path / "checkallsslcerts"
    elsewhere = with_defaults(Configuration(), tmp_path, program)
    assert elsewhere.handed_on == {"mail": {"smtp": "sendmail"}}
    assert elsewhere.results == f"{tmp_path}/results.jsonl"
    program.touch(0o755)
    panel = with_defaults(Configuration(), tmp_path, program)
    assert panel.handed_on == {
        "mail": {"smtp": "sendmail"}, "issuer": {"cpanel": {"kind": "cpanel"}}, "remediate": {"issuer": "cpanel"},
    }  # fmt: skip


def test_configured_settings_are_kept(tmp_path: Path) -> None:
    program = tmp_path / "checkallsslcerts"
    program.touch(0o755)
    mine = {"issuer": {"mine": {"kind": "store"}}, "mail": {"to": ["a@b"]}}
    written = Configuration(results="mine.jsonl", handed_on={**mine, "remediate": {"issuer": "mine"}})
    assert with_defaults(written, tmp_path, program) == written
    unchosen = Configuration(results="mine.jsonl", handed_on=mine)
    assert with_defaults(unchosen, tmp_path, program) == unchosen, (
        "an issuer that is written and not chosen is not passed over"
    )
