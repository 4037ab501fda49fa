"""Old versions are deleted from a host in time, except those that a service uses or a rollback needs."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from remediate.deployment.replace import REPLACE
from remediate.deployment.switch import UNUSED_DAYS
from remediate.execution.rollback import rollback
from remediate.hosts.workdir import HostWorkdir
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import FakeHost
from tests.support.remediate.fake_host.session import run
from tests.support.remediate.repaired_host import (
    CASE,
    RepairedHost,
    host,
    journal,
    prepared,
    repair_certificate,
    repaired_host,
)

__all__ = ["host", "journal", "prepared", "repaired_host"]  # fixtures
SECOND, THIRD = (digit * 16 for digit in "bc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the work directory of a host without a repair."""
    return tmp_path / "sslaudit"


def versions(case: Path) -> list[str]:
    """Return the versions in a case's one set of files."""
    (files,) = (entry for entry in case.iterdir() if entry.is_dir() and len(entry.name) == 12)
    return sorted(entry.name for entry in files.iterdir() if entry.is_dir() and not entry.is_symlink())


def age(folder: Path, days: float) -> None:
    """Set the times of a directory so many days back."""
    then = time.time() - days * 86_400
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then), follow_symlinks=False)


def pruned(root: Path, case: str, *spared: str) -> set[str]:
    """Prune as after a success of a case; return the folders that are left."""
    done = run(REPLACE.prune(HostWorkdir("a", case, "a test", str(root)), spared))
    assert done.ok, done
    return {entry.name for entry in root.iterdir() if entry.is_dir()}


def test_previous_version_is_kept_for_root_until_the_next_success(
    repaired_host: RepairedHost, host: FakeHost, journal: Journal
) -> None:
    root = host.workdir_root
    old = repaired_host.key_before
    (before,) = (link for link in root.glob(f"{CASE}/*/before"))
    kept = before.resolve()
    assert {stat.S_IMODE(directory.stat().st_mode) for directory in (kept, kept.parent)} == {0o700}
    assert old in {path.read_text() for path in kept.rglob("*.key")}
    assert not (root / CASE / "pending").exists()
    first = host.key.read_text()
    repair_certificate(host, journal, id=SECOND)
    assert {entry.name for entry in root.iterdir() if entry.is_dir()} == {SECOND}
    keys = {path.read_text() for path in root.rglob("*.key") if path.is_file()}
    assert (old in keys, first in keys, len(keys)) == (False, True, 2)


def test_rollback_restores_the_modes_of_kept_files(
    repaired_host: RepairedHost, host: FakeHost, journal: Journal
) -> None:
    root = host.workdir_root
    assert rollback(CASE, host.run(journal)).ended_as == "undone"
    assert host.served == repaired_host.served_before
    assert [stat.S_IMODE((host.folder / f"tls.{end}").stat().st_mode) for end in ("key", "crt")] == [0o640, 0o644]
    in_use = [live.readlink().name for live in root.rglob("live")]
    assert [put_away for put_away in root.rglob("*.modes") if put_away.stem in in_use] == []


def test_only_versions_that_a_rollback_needs_are_kept(host: FakeHost, journal: Journal) -> None:
    root = host.workdir_root
    for _ in range(2):
        repair_certificate(host, journal)
        journal.end(CASE, journal.outcome(CASE) or pytest.fail("it has ended"))
    live = next(root.glob(f"{CASE}/*/live"))
    assert len(versions(root / CASE)) == 2
    assert live.resolve().is_dir()
    assert host.served.strip() in host.certificate.read_text()


def test_old_case_with_a_version_in_use_is_kept(host: FakeHost) -> None:
    root = host.workdir_root
    age(root / CASE, 10 * UNUSED_DAYS)
    assert pruned(root, SECOND) == {CASE, SECOND}
    assert host.certificate.read_text()


def test_unused_case_is_deleted_after_a_month_unless_it_is_spared(host: FakeHost) -> None:
    root = host.workdir_root
    for name in ("tls.crt", "tls.key"):
        (host.folder / name).write_text("of another program")
    assert CASE in pruned(root, SECOND)
    age(root / CASE, UNUSED_DAYS + 2)
    assert CASE in pruned(root, SECOND, CASE)
    assert pruned(root, SECOND) == {SECOND}


def test_pending_key_is_deleted_with_its_case_after_a_month(root: Path) -> None:
    (root / THIRD / "pending").mkdir(parents=True)
    (root / THIRD / "pending" / "key.pem").write_text("key")
    assert THIRD in pruned(root, SECOND)
    age(root / THIRD, UNUSED_DAYS + 2)
    assert pruned(root, SECOND) == {SECOND}


@pytest.mark.parametrize("made", ["work", f"{THIRD}/notes", f"{THIRD}/.ssh", "a" * 15, f"{THIRD}/{'d' * 13}"])
def test_files_of_other_programs_are_never_deleted(root: Path, made: str) -> None:
    (root / made).mkdir(parents=True)
    (root / made / "file").write_text("of another user")
    age(root, 10 * UNUSED_DAYS)
    assert (root / made / "file").exists()
    pruned(root, SECOND)
    assert (root / made / "file").read_text() == "of another user"


def test_link_out_of_the_work_directory_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "pending").mkdir(parents=True)
    root.mkdir()
    (root / THIRD).symlink_to(tmp_path / "other")
    age(tmp_path / "other", 10 * UNUSED_DAYS)
    pruned(root, SECOND)
    assert (tmp_path / "other" / "pending").is_dir()
