"""Files of this machine are inspected by the script of a host, and no byte of a key leaves it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from audit.host.files import file_functions, look_at, read_file
from audit.host.script import prologue, read_sections, script_of
from audit.observation import InstalledFile, ProbeFailure
from audit.services.model import NamedFile
from tests.support.hosts.overlay import layer_of
from tests.support.local_files import KEY, assert_no_key, certificate, key_pem, local

PASSPHRASE = serialization.BestAvailableEncryption(b"secret")
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)  # fmt: skip
OTHER = 4711


def seen(*named: NamedFile) -> tuple[InstalledFile, ...]:
    """Inspect files by the script of a host, and assert that its output has no key bytes."""
    host = local()
    output = host.run(script_of(file_functions() + "".join(look_at(named))))
    assert not isinstance(output, ProbeFailure)
    assert_no_key(host._finished.stdout + host._finished.stderr if host._finished else b"")
    return tuple(read_file(path, output) for path in named)


def test_combined_file_yields_certificate_and_only_the_digest_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "both.pem"
    path.write_bytes(key_pem() + certificate() + certificate("second"))
    path.chmod(0o640)
    leaf, key = seen(NamedFile("certificate", str(path)), NamedFile("key", str(path)))
    assert len(leaf.chain_der) == 2
    assert (key.spki_sha256, key.chain_der, key.fault) == (hashlib.sha256(PUBLIC).hexdigest(), (), None)
    assert (key.mode, key.owner) == (0o640, leaf.owner)


@pytest.mark.parametrize(
    ("content", "kind", "fault"),
    [
        (None, "key", "missing"),
        (b"", "key", "empty"),
        (b"no pem at all\n", "key", "unparseable"),
        (b"no pem at all\n", "certificate", "unparseable"),
        (key_pem(PASSPHRASE), "key", "encrypted"),
        (key_pem().replace(b"\n", b"\nAAAA", 1), "key", "unparseable"),
        (certificate()[:-40] + b"\n" + key_pem(), "certificate", "unparseable"),
    ],
)
def test_unusable_file_has_a_reason(tmp_path: Path, content: bytes | None, kind: str, fault: str) -> None:
    path = tmp_path / "it's a file.pem"
    if content is not None:
        path.write_bytes(content)
    named = NamedFile("key" if kind == "key" else "certificate", str(path))
    assert seen(named)[0].fault == fault


def test_directory_and_dangling_link_are_reported(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    folder, dangling = seen(NamedFile("key", str(tmp_path)), NamedFile("key", str(link)))
    assert folder.fault == "directory"
    assert (dangling.fault, dangling.detail) == ("missing", f"it is a link to {tmp_path / 'gone'}")


def test_link_is_followed_to_the_real_file(tmp_path: Path) -> None:
    (tmp_path / "real.pem").write_bytes(certificate())
    (tmp_path / "live.pem").symlink_to("real.pem")
    (found,) = seen(NamedFile("certificate", str(tmp_path / "live.pem")))
    assert found.real_path == str((tmp_path / "real.pem").resolve())


def test_directory_that_others_can_write_to_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "a.key").write_bytes(key_pem())
    folder.chmod(0o777)
    assert seen(NamedFile("key", str(folder / "a.key")))[0].open_folder == str(folder.resolve())
    folder.chmod(0o1777)  # sticky: only the owner can replace a file
    assert seen(NamedFile("key", str(folder / "a.key")))[0].open_folder is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights")
def test_unreadable_file_names_the_missing_permission() -> None:
    script = prologue("WORD") + file_functions() + "".join(
        look_at([NamedFile("key", "/root/.none/a.key"), NamedFile("key", "/etc/shadow")])
    )  # fmt: skip
    out = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    sections = read_sections("WORD", out.stdout)
    closed = read_file(NamedFile("key", "/root/.none/a.key"), sections)
    denied = read_file(NamedFile("key", "/etc/shadow"), sections)
    assert (closed.fault, closed.detail) == ("denied", "the login may not search /root")
    assert (denied.fault, denied.detail) == ("denied", "the login may not read it")


def test_key_in_configuration_or_error_message_does_not_leave_the_host(tmp_path: Path) -> None:
    path = tmp_path / "odd.conf"
    path.write_bytes(b"before\n" + key_pem() + b"after\n")
    script = prologue("WORD") + f"section odd cat {path}\n"
    out = subprocess.run(["sh", "-c", script], capture_output=True, check=False).stdout
    assert_no_key(out)
    assert read_sections("WORD", out.decode())["odd"].text == "before\nafter"


@pytest.mark.parametrize(
    ("make", "fault", "detail"),
    [
        ("truncate -s 1T", "too-large", f"it has {1 << 40} bytes (limit 1048576)"),
        ("mkfifo", "not-regular", "it is a fifo"),
        ("ln -s /dev/zero", "not-regular", "it is a character special file"),
    ],
    ids=["sparse", "fifo", "device"],
)
def test_blocking_or_huge_file_is_named_and_not_read(tmp_path: Path, make: str, fault: str, detail: str) -> None:
    path = tmp_path / "a.crt"
    subprocess.run([*make.split(), path], check=True)
    began = time.monotonic()
    (found,) = seen(NamedFile("certificate", str(path)))
    assert (found.fault, found.detail) == (fault, detail)
    assert time.monotonic() - began < 25


def test_file_names_and_link_targets_add_no_facts(tmp_path: Path) -> None:
    odd = tmp_path / "a\nkey 0123\nstat 600 root root regular file"
    odd.symlink_to("gone\nkey " + "ab" * 32 + "\nstat 600 root root regular file")
    (found,) = seen(NamedFile("key", str(odd)))
    assert (found.fault, found.spki_sha256, found.mode) == ("missing", None, None)


def test_lines_of_a_certificate_that_are_not_base64_stay_on_the_host(tmp_path: Path) -> None:
    path = tmp_path / "a.crt"
    lines = certificate().decode().splitlines()
    path.write_text("\n".join([*lines[:3], "password: hunter2", "missing", *lines[3:], ""]), "utf-8")
    (found,) = seen(NamedFile("certificate", str(path)))
    assert (found.fault, found.detail) == ("unparseable", "a certificate in it is truncated")


@pytest.fixture
def others_folder() -> Iterator[Path]:
    """Return a directory that belongs to another user, below a path that this user can enter."""
    if os.geteuid() != 0:
        pytest.skip("only root can make another user's directory")
    folder = Path(tempfile.mkdtemp(dir="/var/lib"))
    os.chown(folder, OTHER, OTHER)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def acl_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have setfacl and getfacl on PATH, from the overlay of the real servers if this machine has none."""
    if shutil.which("setfacl") is None:
        monkeypatch.setenv("PATH", str(layer_of("main").upper / "usr" / "bin"), prepend=os.pathsep)
    if shutil.which("setfacl") is None and not os.environ.get("CI"):
        pytest.skip("setfacl is not installed here, and the overlays of the real servers are not built")


def test_certificate_of_another_user_is_read_with_the_rights_of_that_user(others_folder: Path) -> None:
    pem, key = others_folder / "a.crt", others_folder / "a.key"
    pem.write_bytes(certificate())
    key.write_bytes(key_pem())
    for path in (pem, key):
        os.chown(path, OTHER, OTHER)
        path.chmod(0o600)
    leaf, secret = seen(NamedFile("certificate", str(pem)), NamedFile("key", str(key)))
    assert (len(leaf.chain_der), leaf.fault, secret.fault) == (1, None, None)
    assert secret.spki_sha256 == hashlib.sha256(PUBLIC).hexdigest()


def test_root_key_behind_a_link_of_another_user_is_not_read(others_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "root.key").write_bytes(key_pem())
    (tmp_path / "root.key").chmod(0o600)
    (others_folder / "a.key").symlink_to(tmp_path / "root.key")
    (found,) = seen(NamedFile("key", str(others_folder / "a.key")))
    assert (found.fault, found.spki_sha256) == ("denied", None)
    assert f"belongs to uid {OTHER}" in found.detail


@pytest.mark.system
@pytest.mark.usefixtures("acl_tools")
@pytest.mark.parametrize(
    ("entries", "expected"),
    [(("u:4711:r",), ("user:4711:r--", "group::---")), (("g:4712:rw", "m::r"), ("group::---", "group:4712:r--"))],
)
def test_acl_of_a_key_is_read_after_its_mask(
    tmp_path: Path, entries: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(key_pem())
    path.chmod(0o600)
    subprocess.run(["setfacl", *(word for entry in entries for word in ("-m", entry)), str(path)], check=True)
    (found,) = seen(NamedFile("key", str(path)))
    assert (found.acl, found.mode) == (expected, 0o640)
