"""The program of the panel renews its certificates, and the files on disk and the served certificates are verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediate.model.case import Repair
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import FakeHost, digest_of, running_panel_host
from tests.support.remediate.renewal_agents import successor, write_agent


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    with running_panel_host(tmp_path / "panel", "cpanel", "exim") as running:
        yield running


def write_program(host: FakeHost, does: str) -> Path:
    """Write the program of the panel, which runs this shell; return the file of its calls."""
    return write_agent(host.folder / "usr/local/cpanel/bin/checkallsslcerts", "--verbose", does)


def result_of(host: FakeHost, journal: Journal) -> CaseResult:
    """Let the program renew the certificates and return how that ended."""
    old_leaves = tuple(map(digest_of, host.leaves.values()))
    return host.repair(journal, case=host.case(Repair.RUN_OWNER, owner="cpanel", old_leaves=old_leaves))


def restarts(host: FakeHost) -> list[str]:
    return [command.why for command in host.session.commands if "let the panel restart" in command.why]


def test_certificate_installed_by_the_panel_is_verified_per_service(host: FakeHost, journal: Journal) -> None:
    leaves, renewals = zip(*(successor(host, service) for service in host.services), strict=True)
    calls = write_program(host, " && ".join(renewals))
    ending = result_of(host, journal)
    assert (ending.ended_as, calls.read_text()) == ("proven", "--verbose\n"), ending
    assert (*host.leaves.values(),) == leaves
    assert restarts(host) == ["let the panel restart cpanel", "let the panel restart exim"]


def test_service_restarted_by_the_panel_is_not_restarted_again(host: FakeHost, journal: Journal) -> None:
    renewals = [successor(host, service)[1] for service in host.services]
    scripts = [str(host.folder / f"scripts/restartsrv_{name}") for name in ("cpsrvd", "exim")]
    write_program(host, " && ".join((*renewals, *scripts)))
    assert result_of(host, journal).ended_as == "proven"
    assert restarts(host) == []


def test_service_without_a_new_certificate_is_reported_with_the_output(host: FakeHost, journal: Journal) -> None:
    write_program(host, f"{successor(host)[1]}; echo 'The DCV check has failed.'")
    ending = result_of(host, journal)
    cpanel, exim = (service.certificate for service in host.services)
    assert (ending.ended_as, ending.cause) == ("failed", "owner.unchanged")
    assert f"cpanel left {exim} without a new certificate" in ending.note
    assert str(cpanel) not in ending.note
    *_, output, placeholder = ending.note.splitlines()
    assert output.endswith("The DCV check has failed.")
    assert placeholder.startswith("a self-signed placeholder was installed for exim")


def test_file_that_the_panel_installed_under_another_name_counts(host: FakeHost, journal: Journal) -> None:
    leaf, _ = successor(host)
    folder = host.certificate.parent
    renew_exim = successor(host, host.services[1])[1]
    write_program(host, f"cp {folder}/next/cpanel.pem {folder}/mycpanel.pem; {renew_exim}")
    ending = result_of(host, journal)
    assert (ending.ended_as, host.served) == ("proven", leaf), ending


def test_missing_panel_program_is_reported(host: FakeHost, journal: Journal) -> None:
    ending = result_of(host, journal)
    assert ending.cause == "owner.not-run"
    assert f"there is no {host.folder}/usr/local/cpanel/bin/checkallsslcerts" in ending.note
