"""`release`: the documented way to leave the product, from the command line, on a host that an earlier version left."""

from __future__ import annotations

import io
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from pytest_sslaudit.cli.program import main as program
from remediate.cli.main import main
from remediate.state.journal import open_journal
from tests.support.remediate.fake_host.switch import Pairs, SwitchHost, leave_links, new_switch_host
from tests.support.remediate.journals import a_case
from tests.support.remediate.saved_folder import SavedFolder

CLOSED = "ssh://root@127.0.0.1:1"
CASE = "c4f3"
LATER = "ab12"
CONFIGURATION = """
hosts = {hosts}
state = "{folder}/state"

[host."local://"]
discover = false
folder = "{folder}/sslaudit"

[[service]]
host = "local://"
name = "gateway"
certificate = "{folder}/etc/tls.crt"
key = "{folder}/etc/private/tls.key"
endpoints = ["tls://127.0.0.1:1"]
"""


def sslaudit(words: Sequence[str]) -> int:
    """Run `sslaudit repair`."""
    return program(("repair", *words))


PROGRAMS = pytest.mark.parametrize("run", [main, sslaudit])
Run = Callable[[Sequence[str]], int]


@dataclass(frozen=True, slots=True)
class Left:
    """A folder with a host that an earlier version left with links, and the configuration that names it."""

    folder: Path
    host: SwitchHost

    def release(self, *words: str, run: Run = main) -> tuple[int, list[str]]:
        """Run the command; return its exit status and the lines that it printed, errors last."""
        output, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(output), redirect_stderr(errors):
            status = run(("release", *words))
        return status, [*output.getvalue().splitlines(), *errors.getvalue().splitlines()]

    def configure(self, *hosts: str) -> None:
        """Name the hosts."""
        text = CONFIGURATION.format(hosts=[*hosts], folder=self.folder)
        (self.folder / "sslaudit.toml").write_text(text)

    @property
    def are_links(self) -> tuple[bool, bool]:
        """Whether certificate and key are links."""
        return self.host.certificate.is_symlink(), self.host.key.is_symlink()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> tuple[Left, SavedFolder]:
    folder = tmp_path_factory.mktemp("left")
    host = new_switch_host(folder, pairs[0])
    leave_links(host, pairs[1])
    with open_journal(folder / "state") as journal:
        for case, label, spec in (CASE, "local", "local://"), (LATER, "127.0.0.1", CLOSED):
            journal.begin(replace(a_case(), id=case, host=label, hostspec=spec), datetime.now(UTC))
    found = Left(folder, host)
    found.configure("local://")
    return found, SavedFolder(folder, tmp_path_factory.mktemp("copy") / "left")


@pytest.fixture
def left(prepared: tuple[Left, SavedFolder], monkeypatch: pytest.MonkeyPatch) -> Iterator[Left]:
    found, saved = prepared
    saved.restore()
    monkeypatch.chdir(found.folder)
    monkeypatch.setenv("COLUMNS", "200")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield found
    for number, handler in handlers.items():
        signal.signal(number, handler)


@PROGRAMS
def test_help_states_the_purpose(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(("release", "--help"))
    output = capsys.readouterr().out
    assert ended.value.code == 0
    assert "the case's id, as `status` and the reports name it" in output
    assert "every case on every host" in output


@PROGRAMS
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "state has no case 'nothing': use --all to release every case of a host"),
        ([], "release takes either a case or --all"),
        ([CASE, "--all"], "release takes either a case or --all"),
    ],
)
def test_unknown_case_or_host_is_one_sentence_and_status_4(
    left: Left, run: Run, words: list[str], message: str
) -> None:
    status, (line,) = left.release(*words, run=run)
    assert (status, line.endswith(message)) == (4, True), line
    assert left.are_links == (True, True)


@PROGRAMS
@pytest.mark.parametrize("words", [[CASE], ["--all"]])
def test_released_links_are_files_and_the_directory_can_be_removed(
    left: Left, pairs: Pairs, run: Run, words: list[str]
) -> None:
    status, (*paths, last) = left.release(*words, run=run)
    assert status == 0
    assert sorted(paths) == [
        f"local: {path} is a regular file again" for path in sorted(map(str, (left.host.certificate, left.host.key)))
    ]
    root = f"{left.folder}/sslaudit"
    ends = {CASE: f"{root}/{CASE} any more", "--all": f"{root} any more; it can be removed"}
    assert last == f"local: no configured path depends on {ends[words[0]]}"
    assert left.are_links == (False, False)
    shutil.rmtree(root)
    assert left.host.served == left.host.configured == pairs[1].contents


def test_second_release_finds_nothing_to_do(left: Left) -> None:
    assert left.release("--all")[0] == 0
    line = f"local: no configured path depends on {left.folder}/sslaudit any more; it can be removed"
    assert left.release("--all") == (0, [line])


def test_release_of_one_case_leaves_the_links_of_others(left: Left) -> None:
    with open_journal(left.folder / "state") as journal:
        journal.begin(replace(a_case(), id="other", host="local", hostspec="local://"), datetime.now(UTC))
    line = f"local: no configured path depends on {left.folder}/sslaudit/other any more"
    assert left.release("other") == (0, [line])
    assert left.are_links == (True, True)


@pytest.mark.parametrize(("word", "hosts", "released"), [("--all", ["local://", CLOSED], 3), (LATER, ["local://"], 0)])
def test_unreachable_host_is_one_sentence_and_status_1(left: Left, word: str, hosts: list[str], released: int) -> None:
    left.configure(*hosts)
    status, lines = left.release(word)
    (unreached,) = [line for line in lines if not line.startswith("local: ")]
    assert unreached.startswith(f"127.0.0.1: nothing was released: {CLOSED}: nothing responds at the login's port")
    assert (status, len(lines) - 1) == (1, released)
    assert left.are_links == (not released, not released)  # the other host is released


def test_release_without_a_host_is_a_usage_error(left: Left) -> None:
    left.configure()
    status, (line,) = left.release("--all")
    assert (status, line.endswith("no host is named: name each in the configuration or by --hosts")) == (4, True)


def test_locked_host_is_one_sentence_and_status_1(left: Left) -> None:
    with (left.folder / "sslaudit" / "lock").open("r+") as lock:
        flock(lock, LOCK_EX)
        status, (line,) = left.release(CASE)
    assert line.startswith("local: nothing was released: another run works on it (locked ")
    assert (status, left.are_links) == (1, (True, True))
