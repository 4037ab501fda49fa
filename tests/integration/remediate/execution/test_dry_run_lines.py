"""What a dry run prints: the cases in order, the commands on each host, and how many there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from remediate.execution.dry_run import preview_actions
from remediate.execution.dry_run_lines import dry_run_lines
from remediate.execution.preview import PLACED_ORDER, VERSION_BEFORE, placeholder_csr
from remediate.hosts.command import Command
from remediate.model.case import Repair, steps_of
from remediate.model.causes import Cause
from remediate.model.outcome import Attempt
from remediate.state.journal import Journal
from tests.support.remediate.folder_hosts import DAY, NOW, Ca
from tests.support.remediate.store_host import StoreHost, planned, printed


def test_dry_run_prints_commands_hosts_and_totals(store_host: StoreHost, journal: Journal) -> None:
    lines = printed(store_host.case(), store_host.run(journal)).splitlines()
    assert lines[0].startswith("canary: reissue on a (ssh://a), case ")
    assert lines[-1] == "nothing was changed; 8 commands on 1 host and 4 requests would be made"
    assert f"                  POST {store_host.store.base_url}/v1/orders" in lines
    assert "http://a.example/.well-known/pki-validation/<MD5 of the request>.txt" in "\n".join(lines)
    assert [line for line in lines if len(line) > 120 and not line.lstrip().startswith(("{", "access "))] == []


def test_dry_run_names_the_users_that_lose_access_to_the_key(store_host: StoreHost, journal: Journal) -> None:
    case = store_host.case()
    acl = ("user:alice:rw-", "user:bob:r--", "group::---")
    files = tuple(replace(file, mode="0664", group="tls", acl=acl) for file in case.files)
    lines = printed(replace(case, files=files), store_host.run(journal)).splitlines()
    [key] = {file.path for file in files if file.kind == "key"}
    new = "the new key (mode 0640, owner as before, group tls)"
    assert [line.removeprefix("  access").strip() for line in lines if line.startswith("  access")] == [
        f"{key}: every user can read it (mode 0664) and will not be able to read {new}",
        f"{key}: the user alice can write it (mode 0664) and will not be able to write {new}",
    ]


def test_dry_run_prints_cases_in_order_and_those_that_wait(store_host: StoreHost, journal: Journal) -> None:
    first, second = (store_host.case(Repair.HOST, id=name) for name in ("first", "second"))
    elsewhere = ("a/https://other.example:443",)
    begun = store_host.case(Repair.HOST, id="begun", endpoints=elsewhere, steps=steps_of(Repair.HOST, (), elsewhere))
    journal.begin(begun, datetime.now(UTC))
    journal.attempts.add("begun", Attempt(NOW, "failed", "modes", Cause.MODES_NEEDED, "no", next_at=NOW + DAY))
    lines = list(dry_run_lines(planned(first, second), store_host.run(journal)))
    heads = [line.partition(" on ")[0] + line.partition(", case")[2] for line in lines if ", case " in line]
    assert heads == ["host begun", "canary: host first", "host second"]
    assert lines[-1] == "nothing was changed; 2 commands on 1 host and 0 requests would be made"


def test_dry_run_without_cases_prints_only_the_total(store_host: StoreHost, journal: Journal) -> None:
    lines = list(dry_run_lines(planned(), store_host.run(journal)))
    assert lines == ["nothing was changed; 0 commands on 0 hosts and 0 requests would be made"]


def test_verbose_dry_run_prints_every_command_whole(store_host: StoreHost, journal: Journal) -> None:
    case, run = store_host.case(), store_host.run(journal)
    text = printed(case, run, verbose=True)
    commands = [action for action in preview_actions(case, run) if isinstance(action, Command)]
    assert [command.why for command in commands if str(command).strip() not in text] == []
    assert '"csr": "<the request made above>"' in text


def test_dry_run_prints_no_placeholder_value_and_no_token(store_host: StoreHost, journal: Journal) -> None:
    text = printed(store_host.case(is_compromised=True), store_host.run(journal), verbose=True)
    csr = placeholder_csr()
    never = (store_host.store.token, csr.sha256, csr.sha256[:20], csr.pem[40:80], PLACED_ORDER, VERSION_BEFORE)
    assert [secret for secret in never if secret in text] == []


def test_dry_run_reports_an_issuer_without_a_preview(store_host: StoreHost, journal: Journal) -> None:
    text = printed(store_host.case(), store_host.run(journal, client=Ca(), name="other"))
    assert "the requests to other are not known: this issuer has no preview" in text
    assert text.endswith("nothing was changed; 8 commands on 1 host and 0 requests would be made")


def test_dry_run_prints_a_repair_up_to_the_step_that_stops_it(store_host: StoreHost, journal: Journal) -> None:
    nowhere = store_host.run(journal, docroot_of=lambda _: "no web server was found")
    text = printed(store_host.case(), nowhere)
    assert "the repair would stop here: the document root of http://a.example/ on a is not known" in text
    assert text.endswith("nothing was changed; 0 commands on 0 hosts and 0 requests would be made")
    unknown = store_host.run(journal, installers={})
    assert "the repair would stop here: no installer for service" in printed(store_host.case(), unknown)
