"""What a rehearsal tells a person: which cases in which turn, what would be run where, and how much it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from remediate.execution.dry_run import placeholders, rehearsal_lines, rehearse
from remediate.hosts.command import Command
from remediate.model.case import Repair, steps_of
from remediate.model.causes import Cause
from remediate.model.outcome import Attempt
from remediate.state.journal import Journal
from tests.runner.places import DAY, NOW, Ca
from tests.runner.premiere import Premiere, planned, told


def test_a_person_reads_what_would_be_run_where_and_how_much_it_is(there: Premiere, journal: Journal) -> None:
    lines = told(there.case(), there.means(journal)).splitlines()
    assert lines[0].startswith("canary: reissue on a (ssh://a), case ")
    assert lines[-1] == "nothing was changed; 8 commands on 1 host and 4 requests would be made"
    assert f"                  POST {there.store.base_url}/v1/orders" in lines
    assert "http://a.example/.well-known/pki-validation/<MD5 of the request>.txt" in "\n".join(lines)
    assert [line for line in lines if len(line) > 120 and not line.lstrip().startswith(("{", "access "))] == []


def test_dry_run_names_who_loses_access_to_the_key(there: Premiere, journal: Journal) -> None:
    case = there.case()
    acl = ("user:alice:rw-", "user:bob:r--", "group::---")
    files = tuple(replace(file, mode="0664", group="tls", acl=acl) for file in case.files)
    lines = told(replace(case, files=files), there.means(journal)).splitlines()
    [key] = {file.path for file in files if file.kind == "key"}
    new = "the new key (mode 0640, owner as before, group tls)"
    assert [line.removeprefix("  access").strip() for line in lines if line.startswith("  access")] == [
        f"{key}: every user can read it (mode 0664) and will not be able to read {new}",
        f"{key}: the user alice can write it (mode 0664) and will not be able to write {new}",
    ]


def test_cases_are_told_in_their_turn_what_waits_as_well(there: Premiere, journal: Journal) -> None:
    first, second = (there.case(Repair.HOST, id=one) for one in ("first", "second"))
    elsewhere = ("a/https://other.example:443",)
    begun = there.case(Repair.HOST, id="begun", endpoints=elsewhere, steps=steps_of(Repair.HOST, (), elsewhere))
    journal.begin(begun, datetime.now(UTC))
    journal.ledger.keep_attempt("begun", Attempt(NOW, "failed", "modes", Cause.MODES_NEEDED, "no", next_at=NOW + DAY))
    lines = list(rehearsal_lines(planned(first, second), there.means(journal)))
    heads = [line.partition(" on ")[0] + line.partition(", case")[2] for line in lines if ", case " in line]
    assert heads == ["host begun", "canary: host first", "host second"]
    assert lines[-1] == "nothing was changed; 2 commands on 1 host and 0 requests would be made"


def test_where_there_is_nothing_to_do_that_is_told(there: Premiere, journal: Journal) -> None:
    lines = list(rehearsal_lines(planned(), there.means(journal)))
    assert lines == ["nothing was changed; 0 commands on 0 hosts and 0 requests would be made"]


def test_a_person_who_wants_to_know_sees_every_command_whole(there: Premiere, journal: Journal) -> None:
    case, means = there.case(), there.means(journal)
    text = told(case, means, verbose=True)
    commands = [one for one in rehearse(case, means) if isinstance(one, Command)]
    assert [one.why for one in commands if str(one).strip() not in text] == []
    assert '"csr": "<the request made above>"' in text


def test_nothing_that_only_stands_for_something_is_told_and_no_token(there: Premiere, journal: Journal) -> None:
    text = told(there.case(is_compromised=True), there.means(journal), verbose=True)
    csr = placeholders.request()
    never = (there.store.token, csr.sha256, csr.sha256[:20], csr.pem[40:80], placeholders.ORDER, placeholders.BEFORE)
    assert [one for one in never if one in text] == []


def test_of_an_issuer_that_foretells_nothing_that_is_told(there: Premiere, journal: Journal) -> None:
    text = told(there.case(), there.means(journal, issuer=Ca(), issuer_name="other"))
    assert "what other is asked cannot be told before" in text
    assert text.endswith("nothing was changed; 8 commands on 1 host and 0 requests would be made")


def test_a_repair_that_cannot_come_to_its_end_is_told_as_far_as_it_comes(there: Premiere, journal: Journal) -> None:
    nowhere = there.means(journal, docroots=lambda _host, _name: "no web server was found")
    text = told(there.case(), nowhere)
    assert "it would end here: it is not known from which folder a serves http://a.example/" in text
    assert text.endswith("nothing was changed; 0 commands on 0 hosts and 0 requests would be made")
    unknown = there.means(journal, installers={})
    assert "it would end here: it is not known how" in told(there.case(), unknown)
