"""The output of a login is read by its frames; what is not in them, or not requested, is an error."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from audit.host.discovery import Login
from audit.host.login import Bounds, Host, hosts_of, new_nonce
from audit.host.script import composed, read_sections, script_of
from audit.observation import ProbeFailure
from tests.support.failing_logins import Programs, look

_RUNS = ["for last; do :; done", "script=$(cat)", 'word=$(printf "%s" "$script" | sed -n "s/^nonce=//p")']


def local() -> Host:
    found = hosts_of("local://", {}, Bounds(20.0))
    assert not isinstance(found, ProbeFailure)
    return found[0]


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ("clock", "section 'clock' appears twice"),
        ("unrequested.section", "section 'unrequested.section' was not requested"),
        ("nginx#1.odd", "section 'nginx#1.odd' was not requested"),
    ],
)
def test_output_with_frames_that_the_script_did_not_print_is_not_valid(
    programs: Programs, frames: str, why: str
) -> None:
    forged = f'printf "\\n%s begin {frames}\\n1\\n\\n%s end 0 x\\n" "$word" "$word"'
    programs.add("ssh", *_RUNS, 'printf "%s\\n" "$script" | sh -s', forged)
    (seen,) = look(Login("ssh://root@web1"))
    failure = seen.host.failure
    assert failure is not None
    assert (failure.stage, failure.kind) == ("host", "broken")
    assert f"the response is not valid: {why}" in failure.detail


def test_login_banner_around_the_output_is_ignored(programs: Programs) -> None:
    noise = "echo 'Welcome to web1! begin end 0'; echo noise >&2"
    programs.add("ssh", "for last; do :; done", noise, 'sh -c "$last"', noise)
    (seen,) = look(Login("ssh://root@web1"))
    assert seen.host.failure is None
    assert seen.host.server is not None
    assert seen.host.server.fqdn


def test_incomplete_output_is_refused(programs: Programs) -> None:
    error = "Connection to web1 closed by remote host."
    programs.add("ssh", "for last; do :; done", 'sh -c "$last" | head -n 9', f"echo '{error}' >&2", "exit 255")
    (seen,) = look(Login("ssh://root@web1"))
    failure = seen.host.failure
    assert failure is not None
    assert (failure.stage, failure.kind) == ("host", "closed")
    assert error in failure.detail


def test_script_that_arrives_incomplete_does_not_run(tmp_path: Path) -> None:
    whole = composed(script_of(f"touch {tmp_path}/ran\n" * 500), "WORD")
    half = whole[: whole.rindex("touch")]
    done = subprocess.run(["sh", "-s"], input=half, capture_output=True, text=True, check=False)
    assert (done.stdout, (tmp_path / "ran").exists()) == ("", False)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_command_that_reads_its_input_does_not_read_the_script(shell: str) -> None:
    script = composed(script_of("section a cat\nsection b echo after\n"), "WORD")
    done = subprocess.run([shell, "-s"], input=script, capture_output=True, text=True, check=False)
    assert [section.text for section in read_sections("WORD", done.stdout).values()] == ["", "after", ""]


def test_login_without_standard_input_makes_its_nonce_on_the_host() -> None:
    host = local()
    host.backend.NAME = "salt"
    output = host.run(script_of("section a echo here\n"))
    assert not isinstance(output, ProbeFailure)
    assert output["a"].text == "here"


@pytest.mark.parametrize(("backend", "program"), [("docker", "docker"), ("podman", "podman"), ("kubectl", "kubectl")])
def test_container_gets_our_input(programs: Programs, backend: str, program: str) -> None:
    programs.add(program, f'echo "$*" >{programs.folder}/words', "exec sh -s")
    (seen,) = look(Login(f"{backend}://web1"))
    assert seen.host.failure is None
    assert " -i " in f" {programs.text('words')}"


def test_each_output_is_framed_by_its_own_nonce() -> None:
    assert new_nonce() != new_nonce()
