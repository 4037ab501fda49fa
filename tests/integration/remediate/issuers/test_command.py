"""The issuer `command` with real programs: their calls, and how their results are read."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from audit.config import BadConfiguration, ConfigSection, Configuration
from audit.x509.path.trust_store import TrustAnchors
from remediate.issuers import BadIssuer, IssuerFault, IssuerRun, Order, OrderRef, PreviewsRequests, read_issuer
from remediate.issuers.command import CommandIssuer
from remediate.pki.issued_chain import Expected, InstallableChain, Rejection, check_issued
from tests.support.remediate.fake_host.ca import AUTHORITY
from tests.support.remediate.own_programs import internal_ca, program, python_program
from tests.support.store.issuance import to_pem
from tests.support.store.order_requests import NAME, request

WANTED = request(NAME, "shop.example")
Script = Callable[[str], tuple[str, ...]]


def opened(command: tuple[str, ...], timeout_s: float = 30.0, stop: threading.Event | None = None) -> CommandIssuer:
    """Return the issuer of a section with this argument list."""
    table = {"kind": "command", "command": list(command), "timeout_s": timeout_s}
    section = ConfigSection(Configuration(), "issuer.internal", table)
    issuer = read_issuer(section).open(section, IssuerRun(stop=stop or threading.Event()))
    assert isinstance(issuer, CommandIssuer)
    return issuer


def placed(command: tuple[str, ...], **limits: Any) -> Order | IssuerFault:  # noqa: ANN401 - as `opened` takes
    return opened(command, **limits).place(WANTED)


def fault(response: object) -> IssuerFault:
    assert isinstance(response, IssuerFault), response
    return response


def judged(response: object) -> InstallableChain | Rejection:
    """Return the result for the output of a program."""
    assert isinstance(response, Order), response
    anchors = TrustAnchors({"internal": [AUTHORITY.root.certificate.public_bytes(Encoding.DER)]})
    return check_issued(response.issued[0], Expected(WANTED.csr, WANTED.names), anchors, datetime.now(UTC))


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Return what writes a shell script, and returns the argument list that runs it."""
    return lambda body: program(tmp_path / "script", f"#!/bin/sh\n{body}\n")


@pytest.fixture
def ca(tmp_path: Path) -> tuple[str, ...]:
    """Return the argument list of the internal CA of docs/issuers.md."""
    return program(tmp_path / "issue", internal_ca(tmp_path / "ca", AUTHORITY))


def test_internal_ca_of_the_documentation_issues_a_valid_certificate(ca: tuple[str, ...]) -> None:
    chain = judged(placed(ca))
    assert isinstance(chain, InstallableChain), chain
    assert chain.leaf.spki_sha256 == WANTED.csr.spki_sha256


def test_internal_ca_of_the_documentation_issues_one_certificate_for_a_csr(ca: tuple[str, ...]) -> None:
    issuer = opened(ca)
    first = issuer.place(WANTED)
    assert isinstance(first, Order)
    assert issuer.fetch(OrderRef(first.id, WANTED)) == issuer.place(WANTED) == first
    assert issuer.place(request()) != first


def test_program_gets_csr_and_environment_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_TOKEN", "secret")
    text = f"""
        import json, os, sys
        seen = [sys.argv[1:], dict(os.environ), sys.stdin.read(), os.getcwd(), os.getuid(), os.getsid(0) == os.getpid()]
        open({str(tmp_path / "seen")!r}, "w").write(repr(seen))
    """
    placed((*python_program(tmp_path / "issue", text), "--profile", "a b; c"))
    arguments, environment, stdin, *process = eval((tmp_path / "seen").read_text())  # noqa: S307 - our own program's
    environment.pop("LC_CTYPE", None)  # Python sets it itself
    assert arguments == ["--profile", "a b; c"]
    assert environment == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "SSLAUDIT_NAMES": f"{NAME},shop.example",
        "SSLAUDIT_CASE": "case",
        "SSLAUDIT_LIFETIME_DAYS": "90",
    }
    assert (stdin, process) == (WANTED.csr.pem, ["/", os.getuid(), True])


@pytest.mark.parametrize(
    ("body", "kind", "detail"),
    [
        ("exit 75", "busy", "a later retry"),
        ("echo 'the queue is full' >&2; exit 75", "busy", "the queue is full"),
        ("exit 1", "refused", "exit status 1: no reason on standard error"),
        ("printf 'a\\nno such \\033[2Jname\\n\\n' >&2; exit 2", "refused", "exit status 2: no such \ufffd[2Jname"),
        ("kill -9 $$", "unreachable", "the outcome is unknown: it was ended by signal 9"),
        ("echo '{\"status\": \"issued\"}'", "broken", "status is 'issued'"),
        ("echo '{'", "broken", "the JSON that the program printed"),
    ],
)  # fmt: skip
def test_exit_status_and_output_decide_the_result(script: Script, body: str, kind: str, detail: str) -> None:
    response = fault(placed(script(body)))
    assert (response.kind, detail in response.detail) == (kind, True), response


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("exit 0", "it is empty"),
        ("echo hello", "begins 'hello'"),
        ("head -c 900000 /dev/zero | tr '\\0' a", "limit 262144"),
        ("head -c 65536 /dev/urandom", "not a PEM certificate"),
        ("openssl genpkey -algorithm ed25519", "holds a private key"),
    ],
)
def test_output_that_is_not_a_certificate_is_rejected(script: Script, body: str, why: str) -> None:
    rejection = judged(placed(script(body)))
    assert isinstance(rejection, Rejection)
    assert why in str(rejection)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("csr=$(cat)", "csr=$(cat >&2; openssl req -new -newkey rsa:2048 -nodes -subj / -keyout /dev/null 2>&1)"),
        ("names=$(printf '%s' \"$SSLAUDIT_NAMES\"", "names=$(printf 'evil.example'"),
        ('-days "$SSLAUDIT_LIFETIME_DAYS"', "-days 400"),
        ("CA:FALSE", "CA:TRUE"),
    ],
    ids=["another key", "also", "valid for", "CA certificate"],
)
def test_certificate_that_was_not_ordered_is_rejected(
    tmp_path: Path, change: str, why: str, request: pytest.FixtureRequest
) -> None:
    text = internal_ca(tmp_path / "ca", AUTHORITY)
    assert change in text
    rejection = judged(placed(program(tmp_path / "issue", text.replace(change, why))))
    assert isinstance(rejection, Rejection)
    assert request.node.callspec.id in str(rejection)


def test_endless_output_is_cut_off_and_leaves_the_outcome_unknown(script: Script) -> None:
    response = fault(placed(script("exec cat /dev/zero")))
    assert (response.leaves_unknown, "more than 1048576 bytes" in response.detail) == (True, True)


def test_endless_error_output_is_cut_to_its_end(script: Script) -> None:
    body = "head -c 30000000 /dev/zero | tr '\\0' x >&2\nprintf '\\nthe reason\\n' >&2\nexit 3"
    assert fault(placed(script(body))).detail == "exit status 3: the reason"


def children(marker: Path) -> list[int]:
    """Return the processes of a program that still run."""
    return [pid for pid in map(int, marker.read_text().split()) if state_of(pid) not in ("", "Z")]


def state_of(pid: int) -> str:
    """Return the state of a process, empty if there is none (proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def gone(marker: Path) -> bool:
    """Return whether all of them end; the kernel ends them after the signal."""
    until = time.monotonic() + 20
    while children(marker) and time.monotonic() < until:
        time.sleep(0.05)
    return not children(marker)


def test_program_that_hangs_is_killed_with_its_children(script: Script, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    response = fault(placed(script(f"sleep 600 &\necho $! $$ >{marker}\nwait"), timeout_s=2.0))
    assert response.kind == "unreachable"
    assert response.detail == "the outcome is unknown: it was killed because it did not end within 2 s"
    assert gone(marker)


def test_program_is_killed_when_the_run_is_stopped(script: Script, tmp_path: Path) -> None:
    marker, stop = tmp_path / "pids", threading.Event()

    def stop_when_it_runs() -> None:
        while not marker.exists():
            time.sleep(0.02)
        stop.set()

    stopper = threading.Thread(target=stop_when_it_runs)
    stopper.start()
    body = f"echo $$ >{marker}.new\nmv {marker}.new {marker}\nexec sleep 600"
    response = fault(placed(script(body), stop=stop, timeout_s=300.0))
    stopper.join()
    assert "because the run was stopped" in response.detail
    assert gone(marker)


def test_child_that_keeps_the_output_open_does_not_delay_the_result(
    ca: tuple[str, ...], script: Script, tmp_path: Path
) -> None:
    marker = tmp_path / "pids"
    command = script(f"sleep 600 &\necho $! >{marker}\nexec {ca[0]}")
    assert isinstance(judged(placed(command, timeout_s=300.0)), InstallableChain)
    assert gone(marker)


def test_program_that_ignores_its_input_is_evaluated_by_its_output(script: Script) -> None:
    other = to_pem(AUTHORITY.intermediate.certificate)
    assert isinstance(judged(placed(script(f"exec <&-\nsleep 0.1\ncat <<'END'\n{other}END"))), Rejection)


def test_preview_shows_the_call_and_runs_nothing(script: Script, tmp_path: Path) -> None:
    issuer = opened(script(f"touch {tmp_path}/ran"))
    assert isinstance(issuer, PreviewsRequests)
    previewed = issuer.to_place(WANTED)
    assert (
        str(previewed)
        == f"SSLAUDIT_NAMES={NAME},shop.example SSLAUDIT_CASE=case SSLAUDIT_LIFETIME_DAYS=90 {tmp_path}/script"
    )
    assert previewed.stdin == WANTED.csr.pem
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "shared"
    folder.mkdir()
    yield folder
    folder.chmod(0o755)


def test_program_that_other_users_can_change_is_not_run(others: Path) -> None:
    command = program(others / "issue", "#!/bin/sh\nexit 75\n")
    issuer = opened(command)
    assert fault(issuer.place(WANTED)).kind == "busy"
    Path(command[0]).chmod(0o777)
    with pytest.raises(BadIssuer, match="issue is not run, because other users can change it"):
        opened(command)
    Path(command[0]).chmod(0o755)
    others.chmod(0o777)
    with pytest.raises(BadIssuer, match=r"others can write to .*/shared"):
        opened(command)
    assert "other users can change it" in fault(issuer.place(WANTED)).detail, "it became so during a run"


def test_script_among_the_arguments_is_checked_like_the_program(others: Path) -> None:
    file = others / "script"
    file.write_text("exit 75\n")
    assert fault(placed(("/bin/sh", str(file)))).kind == "busy"
    file.chmod(0o666)
    with pytest.raises(BadIssuer, match="script is not run, because other users can change it"):
        opened(("/bin/sh", str(file)))


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"command": []}, "is not an absolute path"),
        ({"command": ["issue"]}, "the program 'issue' is not an absolute path; write /usr/local/bin/NAME"),
        ({"command": ["/nonexistent/issue"]}, "/nonexistent/issue is not an executable file"),
        ({"command": ["/etc/passwd"]}, "/etc/passwd is not an executable file"),
        ({"command": ["/bin/sh"], "timeout_s": 0}, "timeout_s is 0"),
    ],
)
def test_command_that_cannot_be_run_is_a_configuration_error(table: dict[str, object], why: str) -> None:
    section = ConfigSection(Configuration(), "issuer.internal", {"kind": "command", **table})
    with pytest.raises(BadIssuer, match=why):
        read_issuer(section).open(section, IssuerRun())


@pytest.mark.parametrize("table", [{}, {"command": "/bin/sh -c x"}, {"command": ["/bin/sh", 1]}, {"base_url": "x"}])
def test_section_without_an_argument_list_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(BadConfiguration, match=r"\[issuer.internal\]"):
        read_issuer(ConfigSection(Configuration(), "issuer.internal", {"kind": "command", **table}))
