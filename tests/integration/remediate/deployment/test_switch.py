"""The switch in a real shell: confirmed, unconfirmed, reverted on request, and refused."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import Version
from remediate.hosts.workdir import BUSY
from tests.support.remediate.fake_host.session import run
from tests.support.remediate.fake_host.switch import Pairs, SwitchHost, new_switch_host, was_interrupted
from tests.support.remediate.saved_folder import SavedFolder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> tuple[SwitchHost, SavedFolder]:
    host = new_switch_host(tmp_path_factory.mktemp("host"), pairs[0])
    host.stage(pairs[1])
    return host, SavedFolder(host.folder, tmp_path_factory.mktemp("copy") / "host")


@pytest.fixture
def host(prepared: tuple[SwitchHost, SavedFolder]) -> SwitchHost:
    """Return a host that serves the old certificate and has the new one staged."""
    host, saved = prepared
    saved.restore()
    return host


WINDOW_S = 1.0
"""The measured time between the two renames of a switch and of its return was 20 ms on a loaded machine."""


def pid_of(host: SwitchHost) -> int:
    """Return the process that holds the host's lock: the script."""
    script = f"sslaudit-switch {host.file_set.workdir.root} {host.file_set.folder} "
    listed = subprocess.run(["pgrep", "--full", script], capture_output=True, text=True, check=True)
    return min(map(int, listed.stdout.split()))


def test_staged_version_changes_no_configured_file(tmp_path: Path, pairs: Pairs) -> None:
    host = new_switch_host(tmp_path, pairs[0])
    name = host.stage(pairs[1])
    assert host.configured == pairs[0].contents
    assert not host.certificate.is_symlink()
    assert host.stage(pairs[1]) == name
    (Path(host.file_set.folder) / "killed.part").mkdir()  # of a run that was killed
    host.stage(pairs[2])
    assert list(Path(host.file_set.folder).glob("*.part")) == []


@pytest.mark.parametrize("kind", ["DH PARAMETERS", "X9.42 DH PARAMETERS"])
def test_dh_parameters_stay_in_their_file(tmp_path: Path, pairs: Pairs, kind: str) -> None:
    host = new_switch_host(tmp_path, pairs[0])
    parameters = f"-----BEGIN {kind}-----\nMAYCAQUCAQI=\n-----END {kind}-----\n"
    host.key.write_text(host.key.read_text() + parameters)
    name = host.begin(pairs[1])
    assert host.configured == (pairs[1].certificate, pairs[1].key + parameters)
    host.confirm(name)


def encrypt(host: SwitchHost, passphrase: Path) -> str:
    """Encrypt the key of a host by a passphrase, and return it."""
    passphrase.write_text("correct horse\n")
    options = ("-topk8", "-v2", "aes-256-cbc", "-in", str(host.key), "-passout", f"file:{passphrase}")
    encrypted = subprocess.run(["openssl", "pkcs8", *options], capture_output=True, text=True, check=True).stdout
    host.key.write_text(encrypted)
    return encrypted


def decrypted(key: Path, passphrase: Path) -> str:
    command = ["openssl", "pkey", "-in", str(key), "-passin", f"file:{passphrase}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("keeps", [True, False])
def test_new_key_is_encrypted_as_the_old_one_on_request(tmp_path: Path, pairs: Pairs, *, keeps: bool) -> None:
    host, passphrase = new_switch_host(tmp_path, pairs[0]), tmp_path / "passphrase"
    old = encrypt(host, passphrase)
    planted = time.time() - 60
    os.utime(host.key, (planted, planted))
    version = Version(pairs[1].certificate, "", str(pairs[1].key_path), str(passphrase) if keeps else "")
    assert run(REPLACE.stage(host.file_set, version)).ok
    assert [file.name for file in Path(host.file_set.folder).glob("key*")] == []
    assert host.start(version.name, confirm_within_s=0).ok
    host.wait_for_end("confirmed")
    assert ("ENCRYPTED" in host.key.read_text(), decrypted(host.key, passphrase)) == (keeps, pairs[1].key)
    assert host.key.stat().st_mtime > planted, "apache loads an encrypted key again only if its time has changed"
    assert host.start("before", confirm_within_s=0).ok
    host.wait_for_end("confirmed")
    assert host.configured == (pairs[0].certificate, old)


def test_version_of_another_encryption_is_staged_anew(tmp_path: Path, pairs: Pairs) -> None:
    host, passphrase = new_switch_host(tmp_path, pairs[0]), tmp_path / "passphrase"
    encrypt(host, passphrase)
    kept = Version(pairs[1].certificate, "", str(pairs[1].key_path), str(passphrase))
    dropped = replace(kept, passphrase_file="")
    assert run(REPLACE.stage(host.file_set, kept)).ok
    assert run(REPLACE.stage(host.file_set, dropped)).ok
    assert host.start(dropped.name, confirm_within_s=0).ok
    host.wait_for_end("confirmed")
    assert host.key.read_text() == pairs[1].key


def test_encrypted_key_of_another_certificate_is_refused(tmp_path: Path, pairs: Pairs) -> None:
    host, passphrase = new_switch_host(tmp_path, pairs[0]), tmp_path / "passphrase"
    encrypt(host, passphrase)
    done = run(REPLACE.stage(host.file_set, Version(pairs[1].certificate, "", str(pairs[2].key_path), str(passphrase))))
    assert (done.ok, "the key does not belong to the certificate" in done.error) == (False, True), done
    assert not [file for file in Path(host.file_set.folder).iterdir() if "part" in file.name]


def test_confirmed_switch_stays(host: SwitchHost, pairs: Pairs) -> None:
    name = host.stage(pairs[1])
    assert host.start(name).ok
    assert host.wait_for("waiting").is_running
    assert host.served == host.configured == pairs[1].contents
    done = host.confirm(name)
    assert (done.last.state, done.live, done.proven, done.before) == ("confirmed", name, name, "0")
    assert host.wait_until(lambda progress: progress.holder is None).live == name


def test_unconfirmed_switch_is_reverted(host: SwitchHost, pairs: Pairs) -> None:
    name = host.stage(pairs[1])
    assert host.start(name, confirm_within_s=1).ok
    progress = host.wait_for("returned")
    assert progress.last.detail == "not confirmed within 1 s"
    assert (progress.live, progress.proven) == ("0", "0")
    assert host.served == host.configured == pairs[0].contents
    late = host.confirm(name)
    assert late.last.state == "returned"


def test_switch_is_reverted_on_request(host: SwitchHost, pairs: Pairs) -> None:
    name = host.begin(pairs[1])
    assert host.revert(name).last.state == "returned"
    assert host.served == pairs[0].contents


def test_switch_survives_the_end_of_the_login(host: SwitchHost, pairs: Pairs) -> None:
    host.begin(pairs[1])
    os.kill(pid_of(host), signal.SIGHUP)
    time.sleep(0.3)
    assert host.progress().is_running
    os.kill(pid_of(host), signal.SIGTERM)  # the switch restores the old state when it is terminated
    assert host.wait_for("returned").live == "0"


def test_second_start_reports_the_running_switch(host: SwitchHost, pairs: Pairs) -> None:
    name = host.begin(pairs[1])
    second = host.start(name)
    assert second.status == BUSY
    assert second.output.split()[-2:] == ["c4f3", "test"]
    assert [event.state for event in host.progress().events].count("begun") == 1
    host.revert(name)


def test_mismatched_key_is_refused_before_any_change(tmp_path: Path, pairs: Pairs) -> None:
    host = new_switch_host(tmp_path, pairs[0])
    done = run(REPLACE.stage(host.file_set, Version(pairs[1].certificate, "", str(pairs[2].key_path))))
    assert (done.ok, "the key does not belong to the certificate" in done.error) == (False, True)
    name = host.stage(pairs[1])
    Path(f"{host.file_set.folder}/{name}{host.key}").write_text(pairs[2].key)
    done = host.start(name)
    assert (done.ok, "the key does not belong" in done.error) == (False, True)
    assert not host.certificate.is_symlink()
    assert host.progress().last.state == "refused"
    assert host.served == host.configured == pairs[0].contents


@pytest.mark.parametrize("broken", ["test", "reload"])
def test_service_that_rejects_the_new_files_gets_the_old_ones(tmp_path: Path, pairs: Pairs, broken: str) -> None:
    refuse = "cmp -s etc/tls.crt new.crt && { echo unknown directive; exit 1; }; "
    refuse += "cp etc/tls.crt served.crt; cp etc/private/tls.key served.key"
    (tmp_path / "new.crt").write_text(pairs[1].certificate)
    host = new_switch_host(tmp_path, pairs[0], **{broken: refuse})
    host.start(host.stage(pairs[1]))
    progress = host.wait_for("returned")
    assert "gateway: unknown directive" in progress.last.detail
    assert host.served == host.configured == pairs[0].contents


def test_switch_never_returns_to_a_compromised_key(host: SwitchHost, pairs: Pairs) -> None:
    name = host.stage(pairs[1])
    host.start(name, confirm_within_s=1, returns=False)
    assert host.wait_for("kept").live == name
    assert host.configured == pairs[1].contents
    old_key = Path(f"{host.file_set.folder}/0{host.key}")
    assert run(REPLACE.destroy_keys(host.file_set, "0")).ok
    assert not old_key.exists()
    host.wait_until(lambda progress: progress.holder is None)
    assert not host.start("0").ok
    assert host.configured == pairs[1].contents


def test_later_rollback_restores_the_last_verified_version(host: SwitchHost, pairs: Pairs) -> None:
    for pair in pairs[1:]:
        host.switch(pair)
    assert host.start("before", confirm_within_s=0).ok
    host.wait_for_end("confirmed")
    assert host.served == host.configured == pairs[1].contents


def test_modes_of_files_and_directories_are_kept(host: SwitchHost, pairs: Pairs) -> None:
    host.switch(pairs[1])
    real = host.key.resolve()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (real, real.parent)] == [0o640, 0o710]
    assert stat.S_IMODE(host.certificate.resolve().stat().st_mode) == 0o644


def test_files_of_another_program_are_restored_by_a_return(host: SwitchHost, pairs: Pairs) -> None:
    host.switch(pairs[1])
    for path, content in ((host.certificate, pairs[2].certificate), (host.key, pairs[2].key)):
        path.unlink()
        path.write_text(content)
    host.leave_unconfirmed(pairs[1])
    assert host.served == host.configured == pairs[2].contents


def test_released_paths_are_regular_files(host: SwitchHost, pairs: Pairs) -> None:
    host.start(host.stage(pairs[1]), confirm_within_s=1)
    host.wait_for_end("returned")
    for _ in range(2):
        assert run(REPLACE.release(host.file_set.workdir, "c4f3").command).ok
    assert not host.certificate.is_symlink()
    assert host.configured == pairs[0].contents
    assert stat.S_IMODE(host.key.stat().st_mode) == 0o640


def test_key_is_in_no_output_and_no_other_file(host: SwitchHost, pairs: Pairs) -> None:
    version = Version(pairs[1].certificate, "", str(pairs[1].key_path))
    name = version.name
    done = [run(REPLACE.stage(host.file_set, version)), host.start(name, confirm_within_s=1)]
    host.wait_for("returned")
    done += [run(REPLACE.status(host.file_set).command), run(REPLACE.release(host.file_set.workdir, "c4f3").command)]
    printed = "".join(each.output + each.error for each in done) + str(host.starting(name))
    files = [path for path in Path(host.file_set.workdir.root).rglob("*") if path.is_file()]
    assert len(files) > 6
    others = "".join(path.read_text() for path in files if path.name != "tls.key")
    for pair in pairs[:2]:
        assert not [line for line in pair.secrets if line in printed + others]


@dataclass(slots=True)
class Reader:
    """Reads both files without end, as a daemon does at each connection, and notes when a pair does not match."""

    host: SwitchHost
    right: tuple[tuple[str, str], ...]
    mismatches: list[float] = field(default_factory=list)  # seconds
    unrecorded: int = 0  # mismatches while the host had no record of renames under way
    looks: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def is_moving(self) -> bool:
        """Return whether the record on the host marks renames in progress."""
        return Path(f"{self.host.file_set.folder}/moving").is_symlink()

    def look_on(self) -> None:
        """Open both files with nothing between, read, compare, until `stop` is set."""
        while not self.stop.is_set():
            was_moving = self.is_moving()
            with self.host.certificate.open() as certificate, self.host.key.open() as key:
                found = certificate.read(), key.read()
            self.looks += 1
            if found not in self.right:
                self.mismatches.append(time.monotonic())
                self.unrecorded += not (was_moving or self.is_moving())
            time.sleep(0.0005)


@pytest.fixture
def reader(host: SwitchHost, pairs: Pairs) -> Iterator[Reader]:
    looking = Reader(host, (pairs[0].contents, pairs[1].contents))
    thread = threading.Thread(target=looking.look_on)
    thread.start()
    yield looking
    looking.stop.set()
    thread.join()


def test_mismatched_pairs_exist_only_between_two_renames(host: SwitchHost, pairs: Pairs, reader: Reader) -> None:
    name = host.stage(pairs[1])
    host.start(name, confirm_within_s=1)
    host.wait_for("returned")
    assert reader.looks > 50
    apart = [after - before for before, after in pairwise(reader.mismatches)]
    assert sum(gap for gap in apart if gap < 0.5) < WINDOW_S  # the switch and its return are further apart
    assert reader.unrecorded == 0


def test_service_that_fails_with_its_old_files_is_reported_as_broken(tmp_path: Path, pairs: Pairs) -> None:
    host = new_switch_host(tmp_path, pairs[0], reload="echo it is gone; exit 1")
    host.start(host.stage(pairs[1]))
    progress = host.wait_for("broken")
    assert (
        progress.last.detail
        == "the new files were not loaded: gateway: it is gone ; with the previous files restored: gateway: it is gone "
    )
    assert (progress.live, host.configured) == ("0", pairs[0].contents)
    assert not was_interrupted(progress)
