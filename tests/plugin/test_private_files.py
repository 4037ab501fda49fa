"""What the controller writes is written where it was meant to be, whatever another local user put in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.config.private_files import UnsafePath, open_anew, own_directory, read_regular, safe_path
from remediate.state.database import UnusableState
from remediate.state.journal import open_journal
from tests.support.evidence import rows

ATTACKER = 4242
SETPRIV = ("setpriv", f"--reuid={ATTACKER}", f"--regid={ATTACKER}", "--clear-groups")
CLOSED = "--audit-endpoint=https://127.0.0.1:1"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="another user of this machine is needed, hence root")


@pytest.fixture
def shared() -> Iterator[Path]:
    """Yield a directory like /tmp: every user makes files there, and removes only their own."""
    folder = Path(tempfile.mkdtemp(prefix="shared-"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Make a file of root's that the attacker can name and not write."""
    file = tmp_path / "victim"
    file.write_text("precious")
    return file


def attack(command: str, *words: object) -> None:
    """Run a shell command as the attacker; `$1`, `$2` are the words."""
    subprocess.run((*SETPRIV, "sh", "-ec", command, "sh", *map(str, words)), check=True)


def audit(pytester: pytest.Pytester, *arguments: str) -> tuple[int, str]:
    ended = pytester.runpytest("--pyargs", "audit", CLOSED, "-k", "test_reachable", *arguments)
    return int(ended.ret), ended.stderr.str() + ended.stdout.str()


OPTIONS = pytest.mark.parametrize("option", ["--audit-results", "--html", "--junit-xml"])


class TestFiles:
    """A file that is named: results, reports."""

    @OPTIONS
    def test_link_of_another_user_is_refused(
        self, pytester: pytest.Pytester, shared: Path, victim: Path, option: str
    ) -> None:
        attack('ln -s "$1" "$2"', victim, shared / "out")
        status, said = audit(pytester, f"{option}={shared / 'out'}")
        assert status == pytest.ExitCode.USAGE_ERROR
        assert f"{option} {shared / 'out'}" in said
        assert f"belongs to another user (uid {ATTACKER})" in said
        assert victim.read_text() == "precious"

    @OPTIONS
    @pytest.mark.parametrize("made", [': >"$1"', 'mkfifo "$1"', 'ln -s missing "$1"'])
    def test_file_of_another_user_is_refused(
        self, pytester: pytest.Pytester, shared: Path, made: str, option: str
    ) -> None:
        attack(made, shared / "out")
        assert audit(pytester, f"{option}={shared / 'out'}")[0] == pytest.ExitCode.USAGE_ERROR
        assert not (shared / "missing").exists()

    @OPTIONS
    def test_directory_of_another_user_is_refused(self, pytester: pytest.Pytester, shared: Path, option: str) -> None:
        attack('mkdir -p "$1"', shared / "theirs" / "below")
        status, said = audit(pytester, f"{option}={shared / 'theirs' / 'below' / 'out'}")
        assert status == pytest.ExitCode.USAGE_ERROR
        assert f"{shared / 'theirs'} belongs to" in said

    @OPTIONS
    def test_directory_that_others_write_to_is_refused(
        self, pytester: pytest.Pytester, shared: Path, option: str
    ) -> None:
        (shared / "open").mkdir()
        (shared / "open").chmod(0o777)
        status, said = audit(pytester, f"{option}={shared / 'open' / 'out'}")
        assert status == pytest.ExitCode.USAGE_ERROR
        assert f"others can write to {shared / 'open'} (mode 0777)" in said

    def test_new_file_in_a_directory_like_tmp_is_written(self, pytester: pytest.Pytester, shared: Path) -> None:
        for _ in "again", "and again":
            assert audit(pytester, f"--audit-results={shared / 'out'}")[0] == 1
        assert len(rows(shared / "out", "summary")) == 1

    @pytest.mark.parametrize("option", ["--html", "--junit-xml"])
    def test_missing_report_in_a_directory_like_tmp_is_reserved(
        self, pytester: pytest.Pytester, shared: Path, victim: Path, option: str
    ) -> None:
        race = f"""
            import os, subprocess
            def pytest_collection_finish():
                subprocess.run([*{SETPRIV!r}, "ln", "-sf", {str(victim)!r}, {str(shared / "out")!r}])
        """
        pytester.makeconftest(race)
        assert audit(pytester, f"{option}={shared / 'out'}")[0] == 1
        assert victim.read_text() == "precious"
        assert (shared / "out").stat().st_uid == os.geteuid()
        assert b"test_reachable" in (shared / "out").read_bytes()

    def test_report_is_one_file_whatever_stands_beside_it(
        self, pytester: pytest.Pytester, shared: Path, tmp_path: Path
    ) -> None:
        attack('ln -s "$2" "$1"', shared / "assets", tmp_path)
        assert audit(pytester, f"--html={shared / 'out'}")[0] == 1
        assert not (tmp_path / "style.css").exists()
        page = (shared / "out").read_text(encoding="utf-8")
        assert ("<link" in page, "#results-table {" in page, "<script src" in page) == (False, True, False)

    @OPTIONS
    def test_report_that_is_a_hard_link_is_refused(
        self, pytester: pytest.Pytester, tmp_path: Path, victim: Path, option: str
    ) -> None:
        (tmp_path / "out").hardlink_to(victim)
        status, said = audit(pytester, f"{option}={tmp_path / 'out'}")
        assert status == pytest.ExitCode.USAGE_ERROR
        assert "has 2 hard links" in said
        assert victim.read_text() == "precious"

    def test_hard_link_is_refused(self, tmp_path: Path, victim: Path) -> None:
        (tmp_path / "out").hardlink_to(victim)
        with pytest.raises(UnsafePath, match="2 hard links"):
            open_anew(tmp_path / "out")
        assert victim.read_text() == "precious"

    def test_own_links_and_descriptors_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "results").mkdir()
        (tmp_path / "latest").symlink_to("results")
        os.close(open_anew(tmp_path / "latest" / "out"))
        assert (tmp_path / "results" / "out").exists()
        read_end, write_end = os.pipe()
        with os.fdopen(open_anew(Path(f"/dev/fd/{write_end}")), "w") as stream:
            stream.write("x")
        assert os.read(read_end, 1) == b"x"
        os.close(read_end)
        os.close(write_end)

    def test_loop_of_links_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        with pytest.raises(UnsafePath, match="too many symbolic links"):
            safe_path(tmp_path / "a")

    def test_links_that_come_and_go_are_never_followed(self, shared: Path, victim: Path) -> None:
        loop = 'while :; do ln -s "$1" "$2" 2>/dev/null; rm -f "$2" 2>/dev/null || :; done'
        ended: set[str] = set()
        began = time.monotonic()
        with subprocess.Popen((*SETPRIV, "sh", "-c", loop, "sh", str(victim), str(shared / "out"))) as attacker:
            while (lasted := time.monotonic() - began) < 3 or (len(ended) < 2 and lasted < 60):
                ended.add(_attempt(shared / "out"))
            attacker.kill()
        assert victim.read_text() == "precious"
        assert ended == {"written", "refused"}


def _attempt(file: Path) -> str:
    try:
        descriptor = open_anew(file)
    except OSError:
        return "refused"
    os.write(descriptor, b"results")
    os.close(descriptor)
    file.unlink(missing_ok=True)
    return "written"


class TestDirectories:
    """A directory that is named: evidence, state."""

    @pytest.mark.parametrize("made", ['mkdir "$1"', 'mkdir -p "$1" && ln -s "$2" "$1/.writable"', 'ln -s "$2" "$1"'])
    def test_evidence_of_another_user_is_refused(
        self, pytester: pytest.Pytester, shared: Path, tmp_path: Path, made: str
    ) -> None:
        theirs, wanted = shared / "kept", tmp_path / "created"
        attack(made, theirs, wanted)
        before = sorted(shared.rglob("*"))
        status, said = audit(pytester, f"--audit-evidence={theirs}")
        assert status == pytest.ExitCode.USAGE_ERROR
        assert f"--audit-evidence {theirs}: {theirs} belongs to another user (uid {ATTACKER})" in said
        assert sorted(shared.rglob("*")) == before
        assert not wanted.exists()

    def test_evidence_below_a_directory_of_another_user_is_refused(
        self, pytester: pytest.Pytester, shared: Path
    ) -> None:
        attack('mkdir "$1"', shared / "theirs")
        assert audit(pytester, f"--audit-evidence={shared / 'theirs' / 'kept'}")[0] == pytest.ExitCode.USAGE_ERROR
        assert not (shared / "theirs" / "kept").exists()

    def test_own_evidence_that_others_write_to_is_refused(self, pytester: pytest.Pytester, tmp_path: Path) -> None:
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept").chmod(0o1777)
        status, said = audit(pytester, f"--audit-evidence={tmp_path / 'kept'}")
        assert status == pytest.ExitCode.USAGE_ERROR
        assert "others can write to it (mode 1777)" in said

    @pytest.mark.parametrize("made", ['mkdir -m 700 "$1"', 'ln -s "$2" "$1"', 'mkdir -m 700 "$1" "$1/state"'])
    def test_state_of_another_user_is_refused(self, shared: Path, tmp_path: Path, made: str) -> None:
        attack(made, shared / "theirs", tmp_path / "state")
        for state in (shared / "theirs", shared / "theirs" / "state"):
            with pytest.raises(UnusableState, match="belongs to"), open_journal(state):
                raise AssertionError(state)
        assert not (tmp_path / "state").exists()

    def test_directory_for_temporary_files_of_another_user_is_refused(
        self, pytester: pytest.Pytester, shared: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attack('mkdir "$1"', shared / "theirs")
        monkeypatch.setattr(tempfile, "tempdir", str(shared / "theirs"))
        status, said = audit(pytester)
        assert status == pytest.ExitCode.USAGE_ERROR
        assert "set TMPDIR to another directory" in said
        assert not list((shared / "theirs").iterdir())

    def test_missing_directory_is_made_for_its_owner_alone(self, tmp_path: Path) -> None:
        made = own_directory(tmp_path / "a" / "b")
        assert [one.stat().st_mode & 0o777 for one in (made, made.parent)] == [0o700, 0o700]

    def test_directory_that_another_thread_makes_meanwhile_is_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make = Path.mkdir

        def overtaken(path: Path, mode: int) -> None:
            make(path, mode)
            make(path, mode)

        monkeypatch.setattr(Path, "mkdir", overtaken)
        assert own_directory(tmp_path / "a" / "b").is_dir()

    def test_directory_that_another_user_makes_meanwhile_is_refused(
        self, shared: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make = Path.mkdir

        def overtaken(path: Path, mode: int) -> None:
            attack('[ -d "$1" ] || mkdir -m 700 "$1"', path)
            make(path, mode)

        monkeypatch.setattr(Path, "mkdir", overtaken)
        with pytest.raises(UnsafePath, match=f"{shared}/a belongs to"):
            own_directory(shared / "a" / "b")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _large(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


@pytest.mark.parametrize("make", [_fifo, _link, _large, Path.mkdir])
def test_evidence_is_read_from_regular_files_of_bounded_size(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "file")
    with pytest.raises(OSError, match=r"regular|limit|symbolic|directory"):
        read_regular(tmp_path / "file", 1 << 20)
