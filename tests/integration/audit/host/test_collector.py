"""The collector runs the requests of an audit, which are data, and refuses all other input."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from audit.host.collector import collector_text, collector_version
from audit.host.files import section_of
from audit.host.handshake import _script
from audit.host.script import read_sections
from audit.services.model import Section
from pytest_sslaudit.cli.program import main

SHELLS = ("dash", "bash")
HEADER = f"sslaudit-request {collector_version()} WORD\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "sslaudit-collector"
    path.write_text(collector_text(), "utf-8")
    path.chmod(0o755)
    return path


def ask(program: Path, request: str, *arguments: str, header: str = HEADER) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], input=header + request, capture_output=True, text=True, check=False, timeout=60
    )


def sections(program: Path, request: str) -> dict[str, Section]:
    done = ask(program, request)
    assert done.returncode == 0, done.stderr
    return read_sections("WORD", done.stdout)


def test_host_without_requested_services_is_reported_without_services(program: Path) -> None:
    found = sections(program, "host\n")
    assert {"clock", "uid", "fqdn", "sockets", "clock.end", "done"} <= set(found)
    assert not [name for name in found if "#" in name]


def test_file_is_inspected_whatever_its_name_contains(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "a 'b' $(touch x) `id` ; * [.pem"
    path.write_text("no certificate")
    found = sections(program, f"file {section_of(str(path)).removeprefix('file.')} c {path}\n")
    assert f"real {path.resolve()}" in found[section_of(str(path))].text
    assert not (tmp_path / "x").exists()


def test_folder_is_listed_but_only_its_tokens(program: Path, tmp_path: Path) -> None:
    folder, token = tmp_path / "a $(id) *", f"{'0AF' * 10}00.txt"
    folder.mkdir()
    for name in (token, "private.txt", f"{'0af' * 10}00.txt"):
        (folder / name).write_text("")
    found = sections(program, f"tokens {folder}\ntokens {tmp_path}/none\n")
    assert [line.partition(" ")[2] for line in found["tokens"].text.splitlines()] == [str(folder / token)]


def test_handshakes_are_made_with_the_requested_addresses(program: Path) -> None:
    script = _script(
        [
            "0 127.0.0.1:1 www.example.com - -",
            "0rsa [::1]:1 - smtp rsa",
            "1 127.0.0.1:1 - sieve -",
            "1p [::1]:1 - - - proxy",
        ]
    )
    found = sections(program, "".join(f"{line}\n" for line in ("tls 127.0.0.1:1/lmtp", *(script.request or ()))))
    assert {"unknown_sockets", "0", "0rsa", "1", "1p", "done"} == set(found)
    assert [found[name].text.count("refused") > 0 for name in ("0", "1p")] == [True, True]


@pytest.mark.parametrize(
    "line",
    [
        "run id", "host; id", "host id", "tls 127.0.0.1:1;id", "tls $(id):1", "tls -x", "tls 127.0.0.1:1/imap",
        "file ab c etc/passwd",
        "tokens", "tokens srv/www", "file ab cx /etc/passwd", "file a$b c /x", "handshake 0 127.0.0.1:1 -proxy - -",
        "handshake 0 127.0.0.1:1 a.example.com ldap -", "handshake 0 127.0.0.1:1 a$(id) - -",
        "handshake ../x 127.0.0.1:1 - - -", "handshake 0 127.0.0.1:1 - - - -",
        "handshake 0 127.0.0.1:1 - - - x", "section x id", "\x1b[2J",
    ],
)  # fmt: skip
def test_line_outside_the_protocol_is_refused_before_any_command_runs(program: Path, line: str) -> None:
    done = ask(program, f"host\n{line}\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the request is not valid" in done.stderr


@pytest.mark.parametrize("header", ["", "id\n", f"sslaudit-request {collector_version()} $(id)\n"])
def test_request_without_a_valid_header_is_refused(program: Path, header: str) -> None:
    done = ask(program, "host\n", header=header)
    assert (done.returncode, done.stdout) == (2, "")


def test_other_version_is_reported_by_the_collector(program: Path) -> None:
    done = ask(program, "host\n", header="sslaudit-request 0123 WORD\n")
    assert (done.returncode, done.stdout) == (3, f"sslaudit-collector {collector_version()}\n")


def test_environment_of_the_login_does_not_reach_the_program(program: Path, tmp_path: Path) -> None:
    trap = tmp_path / "bin"
    trap.mkdir()
    (trap / "id").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (trap / "id").chmod(0o755)
    hostile = {"PATH": f"{trap}:{os.environ['PATH']}", "SHELLOPTS": "xtrace", "BASH_FUNC_id%%": f"() {{ {trap}/id; }}"}
    done = subprocess.run(
        [program], input=f"{HEADER}host\n", capture_output=True, text=True, check=False, timeout=60, env=hostile
    )
    assert done.returncode == 0, done.stderr
    assert "WORD" not in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_program_is_valid_in_every_shell(program: Path, shell: str) -> None:
    assert subprocess.run([shell, "-n", program], check=False).returncode == 0


def test_command_prints_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collector", "--print"]) == 0
    assert capsys.readouterr().out == collector_text()
