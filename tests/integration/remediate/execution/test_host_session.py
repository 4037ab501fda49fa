"""A host session returns status, output and errors of a command complete or not at all, and never a key."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from audit.host.login import Bounds, hosts_of
from audit.observation import ProbeFailure
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.session import HostSession

KEY = "printf -- '-----BEGIN PRIVATE KEY-----\\nMIIsecret\\n'"


@pytest.fixture
def session() -> HostSession:
    hosts = hosts_of("local://", {}, Bounds(30.0))
    assert not isinstance(hosts, ProbeFailure)
    return HostSession(hosts[0])


def command(script: str, *arguments: str) -> Command:
    return Command("local", "a test", script, arguments, timeout_s=20.0)


def test_status_output_and_errors_are_returned_separately(session: HostSession) -> None:
    quoted = command('printf "%s\\n" "$2" "$1"; echo oh >&2; exit 75', "a  b", "it's $HOME")
    assert session.run(quoted) == CommandResult(75, "it's $HOME\na  b", "oh")


def test_background_process_does_not_delay_the_result(session: HostSession) -> None:
    began = time.monotonic()
    done = session.run(command("sleep 60 >/dev/null 2>&1 &\necho $!"))
    os.kill(int(done.output), signal.SIGTERM)
    assert done == CommandResult(0, done.output)
    assert time.monotonic() - began < 40


def test_timeout_of_a_command_differs_from_its_failure(session: HostSession) -> None:
    done = session.run(replace(command("echo begun; sleep 20"), timeout_s=1.0))
    assert (done.status, done.output, "within 1 s" in done.error) == (None, "", True)
    assert session.host.timeout_s == 30.0


@pytest.mark.parametrize("stream", ["1", "2"])
def test_printed_key_stays_on_the_host(session: HostSession, stream: str) -> None:
    done = session.run(command(f"{{ {KEY}; echo -----END PRIVATE KEY-----; echo after; }} >&{stream}"))
    assert (done.status, done.output + done.error) == (0, "after")


def test_output_with_a_key_without_an_end_is_discarded(session: HostSession) -> None:
    done = session.run(command(KEY))
    assert (done.status, "secret" in str(done)) == (None, False)


def test_trace_that_the_login_turned_on_prints_no_key(
    session: HostSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sh").symlink_to(shutil.which("bash") or "/bin/bash")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SHELLOPTS", "xtrace")
    done = session.run(command('key=$(printf MIIsecret); [ -n "$key" ] && echo fine'))
    assert done == CommandResult(0, "fine")


def test_key_whose_end_and_next_begin_share_a_line_stays_on_the_host(session: HostSession) -> None:
    both = "-----END PRIVATE KEY----------BEGIN RSA PRIVATE KEY-----\\nMIIother\\n-----END RSA PRIVATE KEY-----\\n"
    done = session.run(command(f"{KEY}; printf -- '{both}'; echo after"))
    assert (done.status, done.output) == (0, "after")


def test_script_and_arguments_are_not_in_the_process_list(session: HostSession) -> None:
    look = "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$p; echo; done 2>/dev/null | grep -c 'argu[m]ent-4711' || :"
    assert session.run(command(look, "argument-4711")).output == "0"
