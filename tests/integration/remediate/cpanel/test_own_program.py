"""The program of the panel renews its certificates, and the files on disk and the served certificates are verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from remediate.execution.scheduler import repair
from remediate.installers import CustomInstaller
from remediate.model.case import Repair
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.cpanel_folder import Panel
from tests.support.remediate.folder_hosts import CONCURRENCY, running_host
from tests.support.remediate.renewal_agents import successor


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Panel]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(running_host(tmp_path / label, label)) for label in "ab")
        yield Panel(first, second, tmp_path)


def result_of(panel: Panel, journal: Journal) -> CaseResult:
    (ending,) = repair([panel.case(Repair.RUN_OWNER, owner="cpanel")], panel.run(journal), CONCURRENCY)
    return ending


def test_certificate_installed_by_the_panel_is_verified_per_service(panel: Panel, journal: Journal) -> None:
    leaves, renewals = zip(*(successor(host) for host in (panel.first, panel.second)), strict=True)
    calls = panel.write_program(" && ".join(renewals))
    ending = result_of(panel, journal)
    assert (ending.ended_as, calls.read_text()) == ("proven", "--verbose\n"), ending
    assert (panel.first.served, panel.second.served) == leaves


def test_service_restarted_by_the_panel_is_not_restarted_again(panel: Panel, journal: Journal) -> None:
    shell = []
    for host in (panel.first, panel.second):
        renew, folder = successor(host)[1], host.folder
        shell.append(
            f"{renew} && cat {folder}/tls.crt {folder}/tls.key >{folder}/new && mv {folder}/new {folder}/served"
        )
    panel.write_program(" && ".join(shell))
    assert result_of(panel, journal).ended_as == "proven"
    assert not [command for command in panel.first.session.commands if "take up" in command.why]


def test_service_without_a_new_certificate_is_reported_with_the_output(panel: Panel, journal: Journal) -> None:
    panel.write_program(f"{successor(panel.first)[1]}; echo 'The DCV check has failed.'")
    ending = result_of(panel, journal)
    assert (ending.ended_as, ending.cause) == ("failed", "owner.unchanged")
    assert f"cpanel left {panel.second.folder}/tls.crt without a new certificate" in ending.note
    assert f"{panel.first.folder}/tls.crt" not in ending.note
    assert ending.note.endswith("The DCV check has failed.")


def test_file_that_the_panel_installed_under_another_name_counts(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "var/cpanel/ssl/cpanel"
    folder.parent.mkdir(parents=True)
    with running_host(folder, "a") as first, running_host(tmp_path / "b", "b") as second:
        panel = Panel(first, second, tmp_path)
        leaf, _ = successor(first)
        copies = "; ".join(f"cp {folder}/next/tls.{end} {folder}/mytls.{end}" for end in ("crt", "key"))
        panel.write_program(f"{copies}; {successor(second)[1]}")
        taken = f"cd {folder} && cat mytls.crt mytls.key >new && mv new served"
        reads = {first.service: CustomInstaller(first.service, None, taken), second.service: second.installer()}
        case = panel.case(Repair.RUN_OWNER, owner="cpanel")
        [ending] = repair([case], panel.run(journal, installers=reads), CONCURRENCY)
        assert (ending.ended_as, first.served) == ("proven", leaf), ending


def test_missing_panel_program_is_reported(panel: Panel, journal: Journal) -> None:
    ending = result_of(panel, journal)
    assert ending.cause == "owner.not-run"
    assert f"there is no {panel.root}/usr/local/cpanel/bin/checkallsslcerts" in ending.note
