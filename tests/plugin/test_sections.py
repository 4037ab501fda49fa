"""A wrong key in a section that the repair owns is an error of every program, the plain audit too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sslaudit.cli import program
from remediate.cli.main import main as repair_program

WRONG = {
    "[issuer.store]": (
        '[issuer.store]\nkind = "store"\nbase_url = "https://store.example.com"\ntokn = { env = "T" }\n',
        "unknown key 'tokn'; did you mean 'token'?",
    ),
    "[remediate]": ("[remediate]\nmax_case = 3\n", "unknown key 'max_case'; did you mean 'max_cases'?"),
    "[mail]": ('[mail]\nfrm = "sslaudit@example.com"\n', "unknown key 'frm'; did you mean 'from'?"),
}


@pytest.mark.parametrize("section", WRONG)
def test_plain_audit_refuses_a_wrong_key(pytester: pytest.Pytester, section: str) -> None:
    text, message = WRONG[section]
    file = pytester.path / "sslaudit.toml"
    file.write_text(text)
    done = pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:9")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{file}: {section}: {message}" in done.stderr.str()


@pytest.mark.parametrize("arguments", [(), ("--audit-issuer=stroe",)], ids=["file", "option"])
def test_plain_audit_refuses_an_issuer_without_a_section(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    section = '[issuer.store]\nkind = "command"\ncommand = ["/bin/true"]\n'
    chosen = "" if arguments else '[remediate]\nissuer = "stroe"\n'
    (pytester.path / "sslaudit.toml").write_text(f"{section}{chosen}")
    done = pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:9", *arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "no [issuer.stroe]; there are store; did you mean 'store'?" in done.stderr.str()


@pytest.mark.parametrize("section", WRONG)
@pytest.mark.parametrize("main", [program.main, repair_program], ids=["sslaudit", "remediate"])
def test_repair_refuses_a_wrong_key(
    tmp_path: Path, main: object, section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text, message = WRONG[section]
    (file := tmp_path / "sslaudit.toml").write_text(text)
    words = ("status", "--config", str(file))
    status = program.main(("repair", *words)) if main is program.main else repair_program(words)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"{file}: {section}: {message}" in capsys.readouterr().err


def test_plain_audit_refuses_a_password_file_that_others_can_read(pytester: pytest.Pytester) -> None:
    (secret := pytester.path / "smtp-password").write_text("hunter2")
    secret.chmod(0o644)
    (pytester.path / "sslaudit.toml").write_text(
        '[mail]\nsmtp = "smtp://relay.example.com"\nuser = "me"\npassword = { file = "smtp-password" }\n'
    )
    done = pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:9")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert f"mail.password: others can read or change {secret} (mode 0644): chmod 600 {secret}" in done.stderr.str()
    assert "hunter2" not in done.stderr.str()


@pytest.mark.parametrize(("text", "is_imported"), [('fail_on = "high"\n', "False"), ("[remediate]\n", "True")])
def test_repair_is_imported_only_for_its_sections(tmp_path: Path, text: str, is_imported: str) -> None:
    (tmp_path / "sslaudit.toml").write_text(text)
    source = (
        "import sys; from pathlib import Path; from audit.config import read_configuration;"
        "from pytest_sslaudit.remediation import require_valid_sections;"
        "require_valid_sections(read_configuration(Path(sys.argv[1]), None));"
        "print(any(name in sys.modules for name in ('remediate', 'requests', 'sqlite3')))"
    )
    words = [sys.executable, "-P", "-c", source, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == is_imported
