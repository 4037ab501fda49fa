"""The validation file is written completely or not at all, and never outside the docroot."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.host.trust import TRUST
from remediate.hosts.workdir import HostWorkdir
from tests.support.remediate.challenge_files import ChallengeFile
from tests.support.remediate.fake_host.session import killed_before, run
from tests.support.store import validator
from tests.support.store.order_requests import csr


@pytest.fixture
def docroot() -> Iterator[Path]:
    """Give a directory that other users than root can pass through to."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "www"
        folder.mkdir(mode=0o755)
        folder.parent.chmod(0o755)
        yield folder


@pytest.fixture
def challenge(tmp_path: Path, docroot: Path) -> ChallengeFile:
    workdir = HostWorkdir("web1", "c4f3", "test", str(tmp_path / "sslaudit"))
    return ChallengeFile(workdir, str(docroot))


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_name_and_lines_are_those_that_the_ca_computes(challenge: ChallengeFile) -> None:
    der = x509.load_pem_x509_csr(challenge.csr.pem.encode()).public_bytes(Encoding.DER)
    expected = validator.Challenge(der, challenge.csr.sha256[:20])
    assert (challenge.path, challenge.body) == (expected.path, expected.body)
    assert challenge.path.endswith(hashlib.md5(der, usedforsecurity=False).hexdigest().upper() + ".txt")


def test_file_is_readable_for_the_server_and_removed_with_its_folders(docroot: Path, challenge: ChallengeFile) -> None:
    for _ in range(2):
        assert run(challenge.present()).ok
    path = docroot / challenge.path.lstrip("/")
    assert path.read_text() == challenge.body + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    for _ in range(2):
        assert run(challenge.clean_up()).ok
    assert everything(docroot) == []


def test_two_names_of_a_case_leave_nothing_in_either_docroot(
    docroot: Path, tmp_path: Path, challenge: ChallengeFile
) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    both = challenge, replace(challenge, name="shop.example", docroot=str(other))
    for one in both:
        assert run(one.present()).ok
    for one in both:
        assert run(one.clean_up()).ok
    assert (everything(docroot), everything(other)) == ([], [])
    assert everything(tmp_path / "sslaudit" / "c4f3") == []


def test_files_of_others_stay(docroot: Path, challenge: ChallengeFile) -> None:
    (docroot / ".well-known").mkdir()
    (docroot / ".well-known/security.txt").write_text("x")
    run(challenge.present())
    run(challenge.clean_up())
    assert everything(docroot) == [".well-known", ".well-known/security.txt"]


def test_file_is_complete_and_alone_after_a_kill_at_any_line(tmp_path: Path, docroot: Path) -> None:
    request = csr()
    lines = ChallengeFile(HostWorkdir("h", "c", "t", str(tmp_path)), "/x").present().script.count("\n")
    for line in range(TRUST.count("\n"), lines, 3):
        workdir = HostWorkdir("web1", f"c{line}", "test", str(tmp_path / "sslaudit"))
        challenge = ChallengeFile(workdir, str(docroot), csr=request)
        run(killed_before(challenge.present(), line))
        assert all(path.read_text() == challenge.body + "\n" for path in docroot.rglob("*.txt"))
        assert run(challenge.present()).ok
        assert [path.name for path in docroot.rglob("*") if path.is_file()] == [challenge.path.rpartition("/")[2]]
        assert run(challenge.clean_up()).ok
        assert [path for path in docroot.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("link", [".well-known", ".well-known/pki-validation"])
def test_link_that_leaves_the_docroot_is_refused(
    tmp_path: Path, docroot: Path, challenge: ChallengeFile, link: str
) -> None:
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    (docroot / link).parent.mkdir(exist_ok=True)
    (docroot / link).symlink_to(elsewhere)
    for command in (challenge.present(), challenge.clean_up()):
        done = run(command)
        assert (done.ok, "leads out of the docroot" in done.error) == (False, True), done
    assert everything(elsewhere) == []


def test_link_within_the_docroot_is_followed(docroot: Path, challenge: ChallengeFile) -> None:
    (docroot / "validation").mkdir()
    (docroot / ".well-known").mkdir()
    (docroot / ".well-known/pki-validation").symlink_to("../validation")
    assert run(challenge.present()).ok
    assert [path.suffix for path in (docroot / "validation").iterdir()] == [".txt"]
    assert run(challenge.clean_up()).ok
    assert everything(docroot) == [".well-known", ".well-known/pki-validation", "validation"]


def test_link_at_the_path_of_the_file_is_replaced(tmp_path: Path, docroot: Path, challenge: ChallengeFile) -> None:
    target = tmp_path / "shadow"
    target.write_text("precious")
    path = docroot / challenge.path.lstrip("/")
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    assert run(challenge.present()).ok
    assert (target.read_text(), path.is_symlink()) == ("precious", False)


@pytest.mark.parametrize("folder", [".", ".well-known", ".well-known/pki-validation"])
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
def test_directory_that_others_can_write_to_is_refused(
    docroot: Path, challenge: ChallengeFile, folder: str, mode: int
) -> None:
    (docroot / folder).mkdir(parents=True, exist_ok=True)
    (docroot / folder).chmod(mode)
    done = run(challenge.present())
    assert (done.ok, "others can write to" in done.error) == (False, True), done
    assert [path for path in docroot.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(("user", "writer"), [(0, 65534), (33, 33)], ids=["root's", "a user's"])
def test_group_writable_docroot_is_used_without_the_rights_of_root(
    docroot: Path, challenge: ChallengeFile, user: int, writer: int
) -> None:
    os.chown(docroot, user, 34)
    docroot.chmod(0o2775)
    done = run(challenge.present())
    path = docroot / challenge.path.lstrip("/")
    assert (done.ok, path.stat().st_uid) == (True, writer), done
    assert path.read_text() == challenge.body + "\n"
    assert run(challenge.clean_up()).ok
    assert everything(docroot) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_directory_of_a_user_other_than_the_docroot_owner_is_refused(docroot: Path, challenge: ChallengeFile) -> None:
    (docroot / ".well-known").mkdir()
    os.chown(docroot, 33, 33)
    done = run(challenge.present())
    assert (done.ok, "uid 33 cannot make" in done.error) == (False, True), done
    os.chown(docroot / ".well-known", 33, 33)
    assert run(challenge.present()).ok
    os.chown(docroot / ".well-known", 34, 34)
    assert "belongs to neither" in run(challenge.present()).error


@pytest.mark.parametrize("where", ["nowhere", "/"])
def test_invalid_docroot_is_refused(tmp_path: Path, challenge: ChallengeFile, where: str) -> None:
    folder = str(tmp_path / where) if where != "/" else where
    wrong = replace(challenge, docroot=folder)
    assert not run(wrong.present()).ok


@pytest.mark.parametrize("below", ["", "pki-validation"])
def test_file_is_placed_at_the_target_of_an_alias(docroot: Path, challenge: ChallengeFile, below: str) -> None:
    at_alias = replace(challenge, below=below)
    assert run(at_alias.present()).ok
    assert (docroot / below / challenge.path.rpartition("/")[2]).read_text() == challenge.body + "\n"
    assert run(at_alias.clean_up()).ok
    assert everything(docroot) == []


def test_directory_that_no_ca_requests_is_a_bug(challenge: ChallengeFile) -> None:
    with pytest.raises(ValueError, match="not a part of"):
        replace(challenge, below="../..").present()
