"""The switch, run for real: confirmed, not confirmed, called back, refused, killed at every command and run again."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import Version
from remediate.hosts.workdir import BUSY
from tests.support.remediate.folder_services import Pair, Place, new_pair, new_place, was_interrupted
from tests.support.remediate.local_commands import run


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair, Pair]:
    folder = tmp_path_factory.mktemp("pairs")
    return new_pair(folder, "old"), new_pair(folder, "new"), new_pair(folder, "newer")


@pytest.fixture
def place(tmp_path: Path, pairs: tuple[Pair, Pair, Pair]) -> Place:
    return new_place(tmp_path, pairs[0])


WINDOW_S = 1.0
"""A loaded machine has been seen to take 20 ms between the two renames on the way there and on the way back."""


def of(pair: Pair) -> tuple[str, str]:
    return pair.certificate, pair.key


def pid_of(place: Place) -> int:
    """Return the process that holds the host's lock: the script."""
    script = f"sslaudit-switch {place.file_set.workdir.root} {place.file_set.folder} "
    said = subprocess.run(["pgrep", "--full", script], capture_output=True, text=True, check=True)
    return min(map(int, said.stdout.split()))


def test_staged_version_changes_no_configured_file(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    name = place.stage(pairs[1])
    assert place.configured == of(pairs[0])
    assert not place.certificate.is_symlink()
    assert place.stage(pairs[1]) == name


def test_dh_parameters_stay_in_their_file(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    parameters = "-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n"
    place.key.write_text(place.key.read_text() + parameters)
    name = place.stage(pairs[1])
    assert place.start(name).ok
    place.wait_for("waiting")
    assert place.configured == (pairs[1].certificate, pairs[1].key + parameters)
    place.confirm(name)


def test_confirmed_switch_stays(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    name = place.stage(pairs[1])
    assert place.start(name).ok
    assert place.wait_for("waiting").is_running
    assert place.served == place.configured == of(pairs[1])
    done = place.confirm(name)
    assert (done.last.state, done.live, done.proven, done.before) == ("confirmed", name, name, "0")
    assert place.wait_until(lambda progress: progress.holder is None).live == name


def test_unconfirmed_switch_is_reverted(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    name = place.stage(pairs[1])
    assert place.start(name, confirm_within_s=1).ok
    progress = place.wait_for("returned")
    assert progress.last.detail == "not confirmed within 1 s"
    assert (progress.live, progress.proven) == ("0", "0")
    assert place.served == place.configured == of(pairs[0])
    late = place.confirm(name)
    assert late.last.state == "returned"


def test_switch_is_reverted_on_request(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    name = place.stage(pairs[1])
    place.start(name)
    place.wait_for("waiting")
    assert place.revert(name).last.state == "returned"
    assert place.served == of(pairs[0])


def test_switch_survives_the_end_of_the_login(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    name = place.stage(pairs[1])
    place.start(name)
    place.wait_for("waiting")
    os.kill(pid_of(place), signal.SIGHUP)
    time.sleep(0.3)
    assert place.progress().is_running
    os.kill(pid_of(place), signal.SIGTERM)  # whoever ends it wants the old state
    assert place.wait_for("returned").live == "0"


def test_second_start_reports_the_running_switch(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    name = place.stage(pairs[1])
    place.start(name)
    place.wait_for("waiting")
    second = place.start(name)
    assert second.status == BUSY
    assert second.output.split()[-2:] == ["c4f3", "test"]
    assert [event.state for event in place.progress().events].count("begun") == 1
    place.revert(name)


def test_mismatched_key_is_refused_before_any_change(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    done = run(REPLACE.stage(place.file_set, Version(pairs[1].certificate, "", str(pairs[2].key_path))))
    assert (done.ok, "the key does not belong to the certificate" in done.error) == (False, True)
    name = place.stage(pairs[1])
    Path(f"{place.file_set.folder}/{name}{place.key}").write_text(pairs[2].key)
    done = place.start(name)
    assert (done.ok, "the key does not belong" in done.error) == (False, True)
    assert not place.certificate.is_symlink()
    assert place.progress().last.state == "refused"
    assert place.served == place.configured == of(pairs[0])


@pytest.mark.parametrize("broken", ["test", "reload"])
def test_service_that_rejects_the_new_files_gets_the_old_ones(
    tmp_path: Path, pairs: tuple[Pair, Pair, Pair], broken: str
) -> None:
    refuse = "cmp -s etc/tls.crt new.crt && { echo no such thing as this; exit 1; }; "
    refuse += "cp etc/tls.crt served.crt; cp etc/private/tls.key served.key"
    (tmp_path / "new.crt").write_text(pairs[1].certificate)
    place = new_place(tmp_path, pairs[0], **{broken: refuse})
    place.start(place.stage(pairs[1]))
    progress = place.wait_for("returned")
    assert "gateway: no such thing as this" in progress.last.detail
    assert place.served == place.configured == of(pairs[0])


def test_switch_never_returns_to_a_compromised_key(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    name = place.stage(pairs[1])
    place.start(name, confirm_within_s=1, returns=False)
    assert place.wait_for("kept").live == name
    assert place.configured == of(pairs[1])
    old_key = Path(f"{place.file_set.folder}/0{place.key}")
    assert run(REPLACE.destroy_keys(place.file_set, "0")).ok
    assert not old_key.exists()
    place.wait_until(lambda progress: progress.holder is None)
    assert not place.start("0").ok
    assert place.configured == of(pairs[1])


def test_later_rollback_restores_the_last_verified_version(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    for pair in pairs[1:]:
        place.wait_until(lambda progress: progress.holder is None)
        place.start(place.stage(pair), confirm_within_s=0)
        place.wait_for("confirmed")
    place.wait_until(lambda progress: progress.holder is None)
    assert place.start("before", confirm_within_s=0).ok
    place.wait_until(lambda progress: progress.last.state == "confirmed" and progress.holder is None)
    assert place.served == place.configured == of(pairs[1])


def test_modes_of_files_and_directories_are_kept(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    place.start(place.stage(pairs[1]), confirm_within_s=0)
    place.wait_for("confirmed")
    real = place.key.resolve()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (real, real.parent)] == [0o640, 0o710]
    assert stat.S_IMODE(place.certificate.resolve().stat().st_mode) == 0o644


def test_files_of_another_program_are_restored_by_a_return(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    place.start(place.stage(pairs[1]), confirm_within_s=0)
    place.wait_until(lambda progress: progress.last.state == "confirmed" and progress.holder is None)
    for path, content in ((place.certificate, pairs[2].certificate), (place.key, pairs[2].key)):
        path.unlink()
        path.write_text(content)
    place.start(place.stage(pairs[1]), confirm_within_s=1)
    place.wait_for("returned")
    assert place.served == place.configured == of(pairs[2])


def test_released_paths_are_regular_files(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    place.start(place.stage(pairs[1]), confirm_within_s=1)
    place.wait_until(lambda progress: progress.last.state == "returned" and progress.holder is None)
    for _ in range(2):
        assert run(REPLACE.release(place.file_set.workdir, "c4f3").command).ok
    assert not place.certificate.is_symlink()
    assert place.configured == of(pairs[0])
    assert stat.S_IMODE(place.key.stat().st_mode) == 0o640


def test_key_is_in_no_output_and_no_other_file(place: Place, pairs: tuple[Pair, Pair, Pair]) -> None:
    version = Version(pairs[1].certificate, "", str(pairs[1].key_path))
    name = version.name
    done = [run(REPLACE.stage(place.file_set, version)), place.start(name, confirm_within_s=1)]
    place.wait_for("returned")
    done += [run(REPLACE.status(place.file_set).command), run(REPLACE.release(place.file_set.workdir, "c4f3").command)]
    printed = "".join(each.output + each.error for each in done) + str(place.starting(name))
    files = [path for path in Path(place.file_set.workdir.root).rglob("*") if path.is_file()]
    assert len(files) > 6
    others = "".join(path.read_text() for path in files if path.name != "tls.key")
    for pair in pairs[:2]:
        secrets = [line for line in pair.key.splitlines() if "-----" not in line]
        assert not [line for line in secrets if line in printed + others]


@dataclass(slots=True)
class Reader:
    """Reads both files without end, as a daemon does at each connection, and notes when a pair does not match."""

    place: Place
    right: tuple[tuple[str, str], ...]
    mismatches: list[float] = field(default_factory=list)  # seconds
    unrecorded: int = 0  # mismatches while the host had no record of renames under way
    looks: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def is_moving(self) -> bool:
        """Return whether the host's record says that renames are under way."""
        return Path(f"{self.place.file_set.folder}/moving").is_symlink()

    def look_on(self) -> None:
        """Open both files with nothing between, read, compare, until told to stop."""
        while not self.stop.is_set():
            was_moving = self.is_moving()
            with self.place.certificate.open() as certificate, self.place.key.open() as key:
                found = certificate.read(), key.read()
            self.looks += 1
            if found not in self.right:
                self.mismatches.append(time.monotonic())
                self.unrecorded += not (was_moving or self.is_moving())
            time.sleep(0.0005)


@pytest.fixture
def reader(place: Place, pairs: tuple[Pair, Pair, Pair]) -> Iterator[Reader]:
    looking = Reader(place, (of(pairs[0]), of(pairs[1])))
    thread = threading.Thread(target=looking.look_on)
    thread.start()
    yield looking
    looking.stop.set()
    thread.join()


def test_mismatched_pairs_exist_only_between_two_renames(
    place: Place, pairs: tuple[Pair, Pair, Pair], reader: Reader
) -> None:
    name = place.stage(pairs[1])
    place.start(name, confirm_within_s=1)
    place.wait_for("returned")
    assert reader.looks > 50
    apart = [after - before for before, after in pairwise(reader.mismatches)]
    assert sum(gap for gap in apart if gap < 0.5) < WINDOW_S  # the way there and the way back are further apart
    assert reader.unrecorded == 0


def test_service_that_fails_with_its_old_files_is_reported_as_broken(
    tmp_path: Path, pairs: tuple[Pair, Pair, Pair]
) -> None:
    place = new_place(tmp_path, pairs[0], reload="echo it is gone; exit 1")
    place.start(place.stage(pairs[1]))
    progress = place.wait_for("broken")
    assert (
        progress.last.detail
        == "the new files were not loaded: gateway: it is gone ; with the previous files restored: gateway: it is gone "
    )
    assert (progress.live, place.configured) == ("0", of(pairs[0]))
    assert not was_interrupted(progress)
