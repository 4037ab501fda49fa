"""Hosts that an earlier version left with links at the configured paths: the files become regular again."""

from __future__ import annotations

import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet
from tests.support.remediate.fake_host.session import run
from tests.support.remediate.fake_host.switch import Pairs, SwitchHost, leave_links, new_switch_host
from tests.support.remediate.saved_folder import SavedFolder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> tuple[SwitchHost, SavedFolder]:
    host = new_switch_host(tmp_path_factory.mktemp("host"), pairs[0])
    leave_links(host, pairs[1])
    return host, SavedFolder(host.folder, tmp_path_factory.mktemp("copy") / "host")


@pytest.fixture
def host(prepared: tuple[SwitchHost, SavedFolder]) -> SwitchHost:
    """Return a host that the earlier version has repaired: its paths are links, and the old files are kept."""
    host, saved = prepared
    saved.restore()
    return host


def is_as_configured(host: SwitchHost, key_mode: int = 0o640) -> bool:
    """Return whether both paths are regular files of their own with the mode of before."""
    kinds = [stat.S_ISREG(path.lstat().st_mode) for path in (host.certificate, host.key)]
    return all(kinds) and stat.S_IMODE(host.key.stat().st_mode) == key_mode


def test_next_repair_makes_links_files_again(host: SwitchHost, pairs: Pairs) -> None:
    again = FileSet(replace(host.file_set.workdir, case="ab12"), host.file_set.targets)
    later = replace(host, file_set=again)
    name = later.stage(pairs[2])
    assert later.start(name).ok
    later.wait_for("waiting")
    assert is_as_configured(later)
    assert later.served == later.configured == pairs[2].contents
    assert later.confirm(name).last.state == "confirmed"
    later.wait_until(lambda progress: progress.holder is None)
    shutil.rmtree(host.file_set.workdir.folder)
    assert later.configured == pairs[2].contents


def test_failed_repair_leaves_files_and_no_links(host: SwitchHost, pairs: Pairs) -> None:
    host.leave_unconfirmed(pairs[2])
    assert is_as_configured(host)
    assert host.served == host.configured == pairs[1].contents


def test_rollback_restores_files_kept_by_an_earlier_version(host: SwitchHost, pairs: Pairs) -> None:
    assert host.start("before", confirm_within_s=0).ok
    host.wait_for_end("confirmed")
    assert is_as_configured(host)
    assert host.served == host.configured == pairs[0].contents
    shutil.rmtree(host.file_set.workdir.root)
    assert host.configured == pairs[0].contents


@pytest.mark.parametrize("cases", [("c4f3",), ()], ids=["one case", "all"])
def test_release_makes_links_files_again(host: SwitchHost, pairs: Pairs, cases: tuple[str, ...]) -> None:
    for released in (sorted(map(str, (host.certificate, host.key))), []):
        done = run(REPLACE.release(replace(host.file_set.workdir, case="release"), *cases).command)
        assert done.ok, done
        assert sorted(line.removeprefix("released ") for line in done.output.splitlines()) == released
    shutil.rmtree(host.file_set.workdir.root)
    assert is_as_configured(host)
    assert host.configured == pairs[1].contents


def test_versions_are_for_root_alone_after_release(host: SwitchHost) -> None:
    assert run(REPLACE.release(host.file_set.workdir, "c4f3").command).ok
    folder = Path(host.file_set.folder)
    directories = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}


def test_success_of_another_case_makes_links_files_again(host: SwitchHost, pairs: Pairs) -> None:
    assert run(REPLACE.prune(replace(host.file_set.workdir, case="b" * 16), ())).ok
    assert is_as_configured(host)
    assert host.configured == pairs[1].contents
