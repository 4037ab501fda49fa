"""The requirements of a repair are checked before an order, and all that are missing are reported together."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from remediate.execution.context import RunContext
from remediate.execution.scheduler import repair
from remediate.hosts.command import Command, CommandResult
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.folder_hosts import CONCURRENCY, Ca, FolderHost, LocalSession, run_context, running_host

NOBODY = pwd.getpwnam("nobody")


@dataclass(slots=True)
class UsersSession(LocalSession):
    """A session of a user who is not root, also if the tests run as root."""

    def run(self, command: Command) -> CommandResult:
        """Run a command as that user."""
        self.commands.append(command)
        by = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
        argv = ["sh", "-c", command.script, "sh", *command.arguments]
        done = subprocess.run(
            [*by, *argv] if os.geteuid() == 0 else argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, cwd="/",
        )  # fmt: skip
        return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a directory that every user can enter, unlike those of pytest."""
    made = Path(tempfile.mkdtemp(prefix="sslaudit-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def given(*paths: Path) -> None:
    """Give files to the user of the test."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)


def result_of(host: FolderHost, run: RunContext) -> CaseResult:
    (ending,) = repair([host.case()], run, CONCURRENCY)
    return ending


def test_user_repairs_a_service_of_its_own(folder: Path, journal: Journal) -> None:
    with running_host(folder / "a", "a") as started:
        host, before = replace(started, session=UsersSession()), started.served
        given(host.folder, *host.folder.iterdir())
        (folder / "own").mkdir(mode=0o700)
        given(folder / "own")
        ending = result_of(host, run_context(journal, Ca(), host, workdir_root=f"{folder}/own/sslaudit"))
        assert (ending.ended_as, host.served == before) == ("proven", False), ending
        assert (host.folder / "tls.key").stat().st_uid == (folder / "own").stat().st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_every_file_that_the_user_cannot_access_is_named(folder: Path, journal: Journal) -> None:
    with running_host(folder / "a", "a") as started:
        host, ca = replace(started, session=UsersSession()), Ca()
        (host.folder / "tls.key").chmod(0o600)
        ending = result_of(host, run_context(journal, ca, host, workdir_root=f"{folder}/sslaudit"))
    assert (ending.ended_as, ending.cause, ca.orders) == ("failed", "host.unprepared", {})
    for line in (
        f"nobody cannot write {folder}, to make {folder}/sslaudit/{host.case().id} in it",
        f"nobody cannot write {host.folder}",
        f"nobody cannot read {host.folder}/tls.key",
        f"{host.folder}/tls.crt belongs to root, to whom nobody cannot give another file",
        f"{host.folder}/tls.crt is of the group root, to which nobody cannot give another file",
    ):
        assert line in ending.note
    assert not any(command.changes for command in host.session.commands)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("10 4096 1000 900", "has room for 40 kB, "),
        ("999999 4096 1000 3", "has room for 3 files, "),
        ("999999 4096 0 0", None),  # a file system that counts no files
    ],
)
def test_full_disk_is_reported_with_its_free_space(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, row: str, words: str | None
) -> None:
    stat = shutil.which("stat")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "stat").write_text(f'#!/bin/sh\n[ "$1" = -f ] && echo "{row}" || exec {stat} "$@"\n')
    (tmp_path / "bin" / "stat").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with running_host(tmp_path / "a", "a") as host:
        ca = Ca()
        ending = result_of(host, run_context(journal, ca, host))
    if words is None:
        assert ending.ended_as == "proven"
    else:
        assert (ending.cause, words in ending.note, len(ca.orders)) == ("host.unprepared", True, 0), ending.note
        assert ("too little" in ending.note) == ("kB" in words)


def test_missing_directory_is_named(tmp_path: Path, journal: Journal) -> None:
    with running_host(tmp_path / "a", "a") as host:
        ending = result_of(host, run_context(journal, Ca(), host, workdir_root=f"{tmp_path}/no/directory"))
    assert (ending.cause, f"there is no directory {tmp_path}/no" in ending.note) == ("host.unprepared", True)
