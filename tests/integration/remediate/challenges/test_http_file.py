"""The validation file: its name and lines, whole or not there, and refused where it would leave the docroot."""

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
from remediate.challenges import SOLVERS, Challenge
from remediate.challenges.http_csr_hash import body_of, path_of
from remediate.hosts.workdir import HostWorkdir
from tests.support.remediate.local_commands import killed_before, run
from tests.support.store import validator
from tests.support.store.order_requests import csr

HTTP = SOLVERS["http-csr-hash"]


@pytest.fixture
def docroot() -> Iterator[Path]:
    """Give a directory that other users than root can pass through to."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "www"
        folder.mkdir(mode=0o755)
        folder.parent.chmod(0o755)
        yield folder


@pytest.fixture
def challenge(tmp_path: Path, docroot: Path) -> Challenge:
    workdir = HostWorkdir("web1", "c4f3", "test", str(tmp_path / "sslaudit"))
    return Challenge(workdir, "www.shop.example", csr(), "u1q2e3", str(docroot))


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_name_and_lines_are_what_the_ca_computes(challenge: Challenge) -> None:
    der = x509.load_pem_x509_csr(challenge.csr.pem.encode()).public_bytes(Encoding.DER)
    expected = validator.Challenge(der, "u1q2e3")
    assert (path_of(challenge), body_of(challenge)) == (expected.path, expected.body)
    assert path_of(challenge).endswith(hashlib.md5(der, usedforsecurity=False).hexdigest().upper() + ".txt")


def test_the_file_comes_readable_for_the_server_and_goes_with_its_folders(docroot: Path, challenge: Challenge) -> None:
    for _ in range(2):
        assert run(HTTP.present(challenge)).ok
    path = docroot / path_of(challenge).lstrip("/")
    assert path.read_text() == body_of(challenge) + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    for _ in range(2):
        assert run(HTTP.clean_up(challenge)).ok
    assert everything(docroot) == []


def test_two_names_of_a_case_leave_nothing_in_either_docroot(
    docroot: Path, tmp_path: Path, challenge: Challenge
) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    both = challenge, replace(challenge, name="shop.example", docroot=str(other))
    for one in both:
        assert run(HTTP.present(one)).ok
    for one in both:
        assert run(HTTP.clean_up(one)).ok
    assert (everything(docroot), everything(other)) == ([], [])
    assert everything(tmp_path / "sslaudit" / "c4f3") == []


def test_what_others_have_there_stays(docroot: Path, challenge: Challenge) -> None:
    (docroot / ".well-known").mkdir()
    (docroot / ".well-known/security.txt").write_text("x")
    run(HTTP.present(challenge))
    run(HTTP.clean_up(challenge))
    assert everything(docroot) == [".well-known", ".well-known/security.txt"]


def test_killed_at_a_line_and_run_again_the_file_is_whole_and_alone(tmp_path: Path, docroot: Path) -> None:
    request = csr()
    lines = HTTP.present(Challenge(HostWorkdir("h", "c", "t", str(tmp_path)), "n", request, "u", "/x")).script.count(
        "\n"
    )
    for line in range(TRUST.count("\n"), lines, 3):
        workdir = HostWorkdir("web1", f"c{line}", "test", str(tmp_path / "sslaudit"))
        challenge = Challenge(workdir, "www.shop.example", request, "u1q2e3", str(docroot))
        run(killed_before(HTTP.present(challenge), line))
        assert all(path.read_text() == body_of(challenge) + "\n" for path in docroot.rglob("*.txt"))
        assert run(HTTP.present(challenge)).ok
        assert [path.name for path in docroot.rglob("*") if path.is_file()] == [path_of(challenge).rpartition("/")[2]]
        assert run(HTTP.clean_up(challenge)).ok
        assert [path for path in docroot.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("link", [".well-known", ".well-known/pki-validation"])
def test_a_link_that_leaves_the_docroot_is_refused(
    tmp_path: Path, docroot: Path, challenge: Challenge, link: str
) -> None:
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    (docroot / link).parent.mkdir(exist_ok=True)
    (docroot / link).symlink_to(elsewhere)
    for command in (HTTP.present(challenge), HTTP.clean_up(challenge)):
        done = run(command)
        assert (done.ok, "leads out of the docroot" in done.error) == (False, True), done
    assert everything(elsewhere) == []


def test_a_link_that_stays_in_the_docroot_is_followed(docroot: Path, challenge: Challenge) -> None:
    (docroot / "validation").mkdir()
    (docroot / ".well-known").mkdir()
    (docroot / ".well-known/pki-validation").symlink_to("../validation")
    assert run(HTTP.present(challenge)).ok
    assert [path.suffix for path in (docroot / "validation").iterdir()] == [".txt"]
    assert run(HTTP.clean_up(challenge)).ok
    assert everything(docroot) == [".well-known", ".well-known/pki-validation", "validation"]


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_written_through(
    tmp_path: Path, docroot: Path, challenge: Challenge
) -> None:
    target = tmp_path / "shadow"
    target.write_text("precious")
    path = docroot / path_of(challenge).lstrip("/")
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    assert run(HTTP.present(challenge)).ok
    assert (target.read_text(), path.is_symlink()) == ("precious", False)


@pytest.mark.parametrize("folder", [".", ".well-known", ".well-known/pki-validation"])
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
def test_a_folder_that_others_can_write_to_is_refused(
    docroot: Path, challenge: Challenge, folder: str, mode: int
) -> None:
    (docroot / folder).mkdir(parents=True, exist_ok=True)
    (docroot / folder).chmod(mode)
    done = run(HTTP.present(challenge))
    assert (done.ok, "others can write to" in done.error) == (False, True), done
    assert [path for path in docroot.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(("user", "writer"), [(0, 65534), (33, 33)], ids=["root's", "a user's"])
def test_docroot_that_a_group_can_write_is_used_without_the_rights_of_root(
    docroot: Path, challenge: Challenge, user: int, writer: int
) -> None:
    os.chown(docroot, user, 34)
    docroot.chmod(0o2775)
    done = run(HTTP.present(challenge))
    path = docroot / path_of(challenge).lstrip("/")
    assert (done.ok, path.stat().st_uid) == (True, writer), done
    assert path.read_text() == body_of(challenge) + "\n"
    assert run(HTTP.clean_up(challenge)).ok
    assert everything(docroot) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_somebody_else_than_the_docroots_owner_is_refused(docroot: Path, challenge: Challenge) -> None:
    (docroot / ".well-known").mkdir()
    os.chown(docroot, 33, 33)
    done = run(HTTP.present(challenge))
    assert (done.ok, "uid 33 cannot make" in done.error) == (False, True), done
    os.chown(docroot / ".well-known", 33, 33)
    assert run(HTTP.present(challenge)).ok
    os.chown(docroot / ".well-known", 34, 34)
    assert "belongs to neither" in run(HTTP.present(challenge)).error


@pytest.mark.parametrize("where", ["nowhere", "/"])
def test_what_is_no_docroot_is_refused(tmp_path: Path, challenge: Challenge, where: str) -> None:
    folder = str(tmp_path / where) if where != "/" else where
    wrong = Challenge(challenge.workdir, challenge.name, challenge.csr, challenge.unique_value, folder)
    assert not run(HTTP.present(wrong)).ok


@pytest.mark.parametrize("below", ["", "pki-validation"])
def test_the_file_goes_to_where_an_alias_leads_and_the_folder_itself_stays(
    docroot: Path, challenge: Challenge, below: str
) -> None:
    at_alias = replace(challenge, below=below)
    assert run(HTTP.present(at_alias)).ok
    assert (docroot / below / path_of(challenge).rpartition("/")[2]).read_text() == body_of(challenge) + "\n"
    assert run(HTTP.clean_up(at_alias)).ok
    assert everything(docroot) == []


def test_a_folder_that_no_ca_asks_for_is_a_fault_of_ours(challenge: Challenge) -> None:
    with pytest.raises(ValueError, match="not a part of"):
        HTTP.present(replace(challenge, below="../.."))
