"""The requirements of a repair are checked before an order, and all that are missing are reported together."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from remediate.hosts.command import Command, Query
from remediate.installers import Daemon
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.ca import Ca
from tests.support.remediate.fake_host.host import FakeHost, running_host
from tests.support.remediate.fake_host.session import LocalSession

NOBODY = pwd.getpwnam("nobody")


AS_NOBODY = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups")


def of_user(host: FakeHost) -> FakeHost:
    """Return a host with the login of a user who is not root, also if the tests run as root."""
    return replace(host, session=LocalSession(by=AS_NOBODY if os.geteuid() == 0 else ()))


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


def test_user_repairs_a_service_of_its_own(folder: Path, journal: Journal) -> None:
    with running_host(folder / "a", "a") as started:
        host, before = of_user(started), started.served
        given(host.folder, *host.folder.iterdir())
        (folder / "own").mkdir(mode=0o700)
        given(folder / "own")
        ending = host.repair(journal, workdir_root=f"{folder}/own/sslaudit")
        assert (ending.ended_as, host.served == before) == ("proven", False), ending
        assert host.key.stat().st_uid == (folder / "own").stat().st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_every_file_that_the_user_cannot_access_is_named(folder: Path, journal: Journal) -> None:
    with running_host(folder / "a", "a") as started:
        host, ca = of_user(started), Ca()
        host.key.chmod(0o600)
        ending = host.repair(journal, ca, workdir_root=f"{folder}/sslaudit")
    assert (ending.ended_as, ending.cause, ca.orders) == ("failed", "host.unprepared", {})
    for line in (
        f"nobody cannot write {folder}, to make {folder}/sslaudit/{host.case().id} in it",
        f"nobody cannot write {host.folder}",
        f"nobody cannot read {host.key}",
        f"{host.certificate} belongs to root, to whom nobody cannot give another file",
        f"{host.certificate} is of the group root, to which nobody cannot give another file",
    ):
        assert line in ending.note
    assert host.changes == 0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("10 4096 1000 900", "has room for 40 kB, "),
        ("999999 4096 1000 3", "has room for 3 files, "),
        ("999999 4096 0 0", None),  # a file system that counts no files
    ],
)
def test_full_disk_is_reported_with_its_free_space(
    host: FakeHost, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, row: str, words: str | None
) -> None:
    stat = shutil.which("stat")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "stat").write_text(f'#!/bin/sh\n[ "$1" = -f ] && echo "{row}" || exec {stat} "$@"\n')
    (tmp_path / "bin" / "stat").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    ca = Ca()
    ending = host.repair(journal, ca)
    if words is None:
        assert ending.ended_as == "proven"
    else:
        assert (ending.cause, words in ending.note, len(ca.orders)) == ("host.unprepared", True, 0), ending.note
        assert ("too little" in ending.note) == ("kB" in words)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user with a quota")
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("990* 900 1000 1796000000 5 0 0 0", "leaves 10 kB, and "),
        ("5 0 0 0 98 90 100 0", "leaves 2 files, and "),
        ("5 0 0 0 5 0 0 0", None),
    ],
)
def test_quota_that_leaves_too_little_is_named(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, row: str, words: str | None
) -> None:
    program = f'#!/bin/sh\necho "Disk quotas:"\necho "$(findmnt -no SOURCE -T {folder}) {row}"\n'
    (folder / "quota").write_text(program)
    (folder / "quota").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    with running_host(folder / "a", "a") as started:
        host, ca = of_user(started), Ca()
        (folder / "own").mkdir(mode=0o700)
        given(host.folder, *host.folder.iterdir(), folder / "own")
        ending = host.repair(journal, ca, workdir_root=f"{folder}/own/sslaudit")
    if words is None:
        assert ending.ended_as == "proven", ending
    else:
        assert (ending.cause, len(ca.orders)) == ("host.unprepared", 0), ending
        assert f"the quota of uid {NOBODY.pw_uid} on " in ending.note
        assert words in ending.note


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("passphrase", "the passphrase in {0}/passphrase does not decrypt {0}/a/tls.key"),
        ("missing", "{0}/missing is not used: it is not a file"),
    ],
)
def test_passphrase_that_does_not_decrypt_the_old_key_stops_the_repair(
    host: FakeHost, tmp_path: Path, journal: Journal, file: str, words: str
) -> None:
    private_key = serialization.load_pem_private_key(host.key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"right")
    formats = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    host.key.write_bytes(private_key.private_bytes(*formats, encryption))
    (tmp_path / "passphrase").write_text("wrong\n")
    ca = Ca()
    ending = host.repair(journal, ca, passphrase_file=f"{tmp_path}/{file}")
    assert (ending.cause, words.format(tmp_path) in ending.note, ca.orders) == ("host.unprepared", True, {}), ending


def test_missing_directory_is_named(host: FakeHost, tmp_path: Path, journal: Journal) -> None:
    ending = host.repair(journal, workdir_root=f"{tmp_path}/no/directory")
    assert (ending.cause, f"there is no directory {tmp_path}/no" in ending.note) == ("host.unprepared", True)


def test_wait_for_a_precondition_ends_when_it_is_met(host: FakeHost, tmp_path: Path, journal: Journal) -> None:
    root = f"{tmp_path}/no/directory"
    assert host.repair(journal, workdir_root=root).cause == "host.unprepared"
    assert host.repair(journal, workdir_root=root).cause == "run.not-due"
    ending = host.repair(journal)
    assert (ending.ended_as, ending.is_changed) == ("proven", True), ending


class MaskedDaemon(Daemon):
    """A daemon whose unit is masked, as systemd reports it."""

    def masked_units(self, host: str) -> Query[tuple[str, ...]]:
        return replace(
            super().masked_units(host),
            command=Command(host, "check whether a unit is masked", "echo apache2@x.service\n", changes=False),
        )


def test_masked_unit_is_named_before_an_order(
    host: FakeHost, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = MaskedDaemon("apache", ("apache2",), "apache")
    monkeypatch.setattr(FakeHost, "installers", lambda each: dict.fromkeys((s.name for s in each.services), masked))
    ca = Ca()
    ending = host.repair(journal, ca)
    assert (ending.cause, ca.orders, host.changes) == ("host.unprepared", {}, 0)
    assert "is masked: run `systemctl unmask apache2@x.service`" in ending.note
