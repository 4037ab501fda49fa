"""Tests of what a dry run prints: it equals the snapshot files, and has no values of the preview."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediate.execution.dry_run import preview_actions
from remediate.execution.preview import PLACED_ORDER, VERSION_BEFORE, placeholder_csr
from remediate.hosts.command import Command
from remediate.state.journal import Journal, open_journal
from tests.support.remediate.store_host import printed
from tests.unit.remediate.execution.samples import FOLDER, SAMPLES, STORE_HOST, run_of, text_of


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as opened:
        yield opened


@pytest.mark.parametrize("name", SAMPLES)
def test_dry_run_is_that_of_the_snapshot_file(journal: Journal, name: str) -> None:
    assert text_of(name, journal) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_each_snapshot_file_belongs_to_a_dry_run() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(SAMPLES)


def test_lines_of_a_dry_run_fit_a_terminal_but_for_requests(journal: Journal) -> None:
    lines = text_of("reissue", journal).splitlines()
    assert [line for line in lines if len(line) > 120 and not line.lstrip().startswith(("{", "access "))] == []


def test_verbose_dry_run_prints_every_command_whole(journal: Journal) -> None:
    case, run = STORE_HOST.case(), run_of(journal)
    text = printed(case, run, verbose=True)
    commands = [action for action in preview_actions(case, run) if isinstance(action, Command)]
    assert [command.why for command in commands if str(command).strip() not in text] == []
    assert '"csr": "<the request made above>"' in text


def test_dry_run_prints_no_placeholder_value_and_no_token(journal: Journal) -> None:
    text = printed(STORE_HOST.case(is_compromised=True), run_of(journal), verbose=True)
    csr = placeholder_csr()
    never = (STORE_HOST.store.token, csr.sha256, csr.sha256[:20], csr.pem[40:80], PLACED_ORDER, VERSION_BEFORE)
    assert [secret for secret in never if secret in text] == []
