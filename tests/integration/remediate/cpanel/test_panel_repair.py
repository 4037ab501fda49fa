"""A repair of the service certificates of a panel by its API: verified, reverted, killed, and previewed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.config import read_configuration
from audit.endpoint import Endpoint
from audit.host.discovery import Discovery
from audit.observation import HostView, InstalledFile, Observation
from audit.probe import Target
from audit.x509.path.trust_store import TrustAnchors
from remediate.cpanel.panel import PanelService
from remediate.deployment.replace import REPLACE
from remediate.execution.case_context import CaseContext, NotFoundOnHost
from remediate.execution.dry_run import preview_actions
from remediate.execution.rollback import rollback
from remediate.execution.scheduler import repair
from remediate.installers import INSTALLERS
from remediate.model.case import Case, Repair, UsedFile
from remediate.model.options import RunOptions
from remediate.state.journal import Journal
from remediate.wiring.run_context import run_context
from tests.support.crash_points import STRIDE
from tests.support.http.scripted_server import answering, conversing
from tests.support.remediate.chain_services import INTERMEDIATE, fetcher, forms, rechaining, serve_chain
from tests.support.remediate.fake_host.ca import Ca
from tests.support.remediate.fake_host.host import FakeHost, running_panel_host
from tests.support.remediate.fake_host.panel import whmapi1_of
from tests.support.remediate.fake_host.run import CONCURRENCY
from tests.support.remediate.killed_database import KilledRun, faults_after_each
from tests.support.remediate.store_host import filled_in


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    with running_panel_host(tmp_path / "panel", "cpanel", "exim") as running:
        yield running


def keys_of(host: FakeHost) -> set[str]:
    """Return the lines of all keys of the panel."""
    texts = [path.read_text() for path in (host.folder / "var/cpanel/ssl").rglob("*") if path.is_file()]
    blocks = [text.partition("PRIVATE KEY-----\n")[2].partition("-----END")[0] for text in texts]
    return {line for block in blocks for line in block.splitlines()}


def test_dry_run_shows_the_commands_and_rollback_restores_all(host: FakeHost, journal: Journal, tmp_path: Path) -> None:
    ca, before, old_keys = Ca(), host.leaves, keys_of(host)
    previewed = list(preview_actions(host.case(), host.run(journal, ca)))
    ending = host.repair(journal, ca)
    assert (ending.ended_as, ending.note) == ("proven", "")
    assert not set(host.leaves.values()) & set(before.values())
    (order,) = ca.orders.values()
    version = next(event.note for event in journal.events("panel") if event.note.startswith("version ")).split()[1]
    values = {
        "<the certificate that was issued>": order.issued[0].certificate_pem or "",
        "<the certificates of its CAs>": order.issued[0].ca_bundle_pem or "",
        "<version>": version,
    }
    done = [command for command in host.session.commands if command.changes]
    assert filled_in(previewed, values) == done
    assert host.calls == [f"install_service_ssl_certificate {service} input" for service in before]
    assert not [path for path in (host.folder / "var").rglob("*") if path.is_symlink()]
    recorded = "".join(map(str, host.session.commands)) + (tmp_path / "state/journal.sqlite").read_bytes().decode(
        "latin-1"
    )
    assert not [line for line in old_keys | keys_of(host) if line in recorded]
    assert rollback("panel", host.run(journal, ca)).ended_as == "undone"
    assert host.leaves == before


def test_service_that_loads_nothing_is_reverted_and_the_other_stays(host: FakeHost, journal: Journal) -> None:
    before, exim = host.leaves, host.services[1].certificate
    (host.folder / "scripts/restartsrv_exim").write_text("#!/bin/sh\necho done\n")
    ending = host.repair(journal)
    assert (ending.ended_as, ending.cause, "the switch is returned" in ending.note) == ("failed", "proof.failed", True)
    assert host.leaves["exim"] == before["exim"]
    assert exim.read_text().startswith(before["exim"].strip())
    assert host.leaves["cpanel"] != before["cpanel"]


def test_refusal_of_the_panel_is_reported_with_its_reason(host: FakeHost, journal: Journal) -> None:
    before, program = host.leaves, whmapi1_of(host.folder)
    real = program.rename(program.with_name("real"))
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *install*) echo \'{{"metadata":{{"result":0,"reason":"The licence has ended"}}}}\' ;;'
        f' *) exec {real} "$@" ;; esac\n'
    )
    program.chmod(0o755)
    ending = host.repair(journal)
    assert (ending.cause, ending.note) == (
        "install.not-taken-up", "the switch is refused: cpanel: WHM refuses: The licence has ended",
    )  # fmt: skip
    assert host.leaves == before


def test_missing_api_prevents_the_order(host: FakeHost, journal: Journal) -> None:
    ca = Ca()
    whmapi1_of(host.folder).unlink()
    ending = host.repair(journal, ca)
    why, *placeholders = ending.note.splitlines()
    assert (ending.cause, why, ca.orders) == ("host.unprepared", "server: whmapi1 is not installed on the host", {})
    assert [line.partition(":")[0] for line in placeholders] == [
        f"no placeholder is in use for {service}" for service in ("cpanel", "exim")
    ]


def test_chain_is_completed_by_the_api_and_the_key_stays(host: FakeHost, journal: Journal) -> None:
    host = replace(host, services=host.services[1:])
    with conversing(answering(forms(INTERMEDIATE)["DER"])) as published:
        serve_chain(host, urls=[published.url()])
        key, before = host.key.read_text(), host.certificate.read_text()
        ending = host.repair(journal, case=rechaining(host), fetcher=fetcher())
    assert (ending.ended_as, ending.note) == ("proven", "")
    assert host.certificate.read_text().startswith(before)
    assert host.certificate.read_text() != before
    assert (host.key.read_text(), host.calls) == (key, ["install_service_ssl_certificate exim input"])


def killed_run(host: FakeHost, folder: Path) -> KilledRun:
    """Return a repair that can be killed; the next run gets the case only if the audit would still find it."""
    ca, before = Ca(), host.leaves

    def begin(journal: Journal) -> None:
        repair([host.case()], host.run(journal, ca), CONCURRENCY)

    def complete(journal: Journal) -> object:
        case = [host.case()] if host.leaves == before else []
        ended = {(result.ended_as, result.note) for result in repair(case, host.run(journal, ca), CONCURRENCY)}
        renewed = not set(host.leaves.values()) & set(before.values())
        return ended - {("proven", "")}, journal.unfinished(), len(ca.orders), renewed

    def count() -> object:
        return host.changes, len(ca.orders)

    return KilledRun(folder, begin, complete, (set(), (), 1, True), count, ca.orders)


def test_run_killed_at_any_record_is_continued_with_one_order(run_folder: Path) -> None:
    with running_panel_host(run_folder / "panel", "cpanel", "exim") as host:
        assert faults_after_each(killed_run(host, run_folder), records_above=20, step=STRIDE) == []


SSL = "/var/cpanel/ssl"
OWN = f"{SSL}/dovecot/dovecot.crt"
ELSEWHERE = "/etc/ssl/shop.example.pem"


def case_context(tmp_path: Path, journal: Journal, service: str, *paths: tuple[str, str]) -> CaseContext:
    """Return a case on a panel's host about these files, each with where it leads, as a run finds it."""
    endpoint = Endpoint("imaps", "server.example", 993, None, "server", "ssh://server", service=service)
    files = tuple(InstalledFile(path, "certificate", real) for path, real in paths)
    view = HostView("server", "ssh://server", is_cpanel=True, service=service, files=files)
    whole = Observation(Endpoint.of_host("server", "ssh://server"), datetime.now(UTC), server=view)
    options = RunOptions(read_configuration(tmp_path, None), tmp_path, TrustAnchors({}), "a test")
    found = Discovery(whole, (Target(endpoint, server=view),))
    used = tuple(UsedFile(service, path, "certificate") for path, _ in paths)
    names, endpoints = ("server.example",), (str(endpoint),)
    case = Case("c4f3", "server", "ssh://server", Repair.REISSUE, names, (service,), endpoints, used, (), ())
    return CaseContext(case, run_context(options, journal, (found,)))


@pytest.mark.parametrize(
    ("service", "paths", "targets"),
    [
        ("dovecot", [("/etc/dovecot/ssl/dovecot.crt", OWN)], [OWN]),
        ("cpanel", [(f"{SSL}/cpanel/mycpanel.pem",) * 2], [f"{SSL}/cpanel/cpanel.pem"]),
        ("cpanel", [(f"{SSL}/cpanel/cpanel.pem",) * 2], [f"{SSL}/cpanel/cpanel.pem"]),
        ("proftpd", [], [f"{SSL}/ftp/ftpd-rsa-key.pem", f"{SSL}/ftp/ftpd-rsa.pem"]),
    ],
    ids=["link to a file", "installed file", "first file", "default files"],
)
def test_files_of_the_panel_are_installed_by_it_under_one_name(
    tmp_path: Path, journal: Journal, service: str, paths: list[tuple[str, str]], targets: list[str]
) -> None:
    context = case_context(tmp_path, journal, service, *paths)
    (group,) = context.switch_groups
    assert [target.path for target in group.file_set.targets] == targets
    assert isinstance(context.installer(service), PanelService)
    assert group.deployment != REPLACE


def test_service_with_files_of_its_own_is_deployed_by_replacement(tmp_path: Path, journal: Journal) -> None:
    context = case_context(tmp_path, journal, "dovecot", (ELSEWHERE, ELSEWHERE))
    assert context.installer("dovecot") is INSTALLERS["dovecot"]
    assert context.switch_groups[0].deployment == REPLACE
    with pytest.raises(NotFoundOnHost, match="the files of nginx were not found"):
        _ = case_context(tmp_path, journal, "nginx").switch_groups


def test_files_of_the_panel_and_others_are_not_switched_together(tmp_path: Path, journal: Journal) -> None:
    context = case_context(tmp_path, journal, "dovecot", (OWN, OWN), (ELSEWHERE, ELSEWHERE))
    why = r"dovecot\.crt is installed by the panel, and /etc/ssl/shop\.example\.pem is not"
    with pytest.raises(NotFoundOnHost, match=why):
        _ = context.switch_groups
