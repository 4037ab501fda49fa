"""A case waits, without an order, until its TLSA record is published and in all caches."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.observation import DnsView
from audit.probe import Limits
from audit.probe.dns.records import RecordSet, RecordStatus, RecordType
from remediate.challenges.dns_lookup import LookUp, LookUps
from remediate.execution.scheduler import repair
from remediate.model.case import Case, Repair
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.journal import Event, Journal
from tests.support.remediate.fake_host.ca import Ca
from tests.support.remediate.fake_host.host import FakeHost
from tests.support.remediate.fake_host.run import CONCURRENCY

NAME = "www.shop.example"
TTL_S = 60  # clocks of host and controller may be further apart


@dataclass
class Zone(LookUps):
    """Records by name and type; a status in their place is the failure of a query."""

    records_of: dict[tuple[str, RecordType], tuple[str, ...] | RecordStatus] = field(default_factory=dict)
    leads_to: tuple[str, ...] = ("192.0.2.7",)
    asked: list[str] = field(default_factory=list)
    answers: bool = True

    def records(self, name: str, record_type: RecordType, limits: Limits, stop: threading.Event) -> RecordSet:
        del limits, stop
        self.asked.append(f"{name} {record_type}")
        found = self.records_of.get((name, record_type), ())
        if isinstance(found, str):
            return RecordSet(name, record_type, found, detail="as the server returned")
        return RecordSet(name, record_type, "ok" if found else "none", found, TTL_S)

    def has_dns(self, limits: Limits) -> bool:
        del limits
        return self.answers

    def of(self, name: str, limits: Limits, stop: threading.Event) -> LookUp:
        del limits, stop
        return LookUp(name, DnsView("ok", self.leads_to))


@dataclass
class Stage:
    """A case of a website, its CA and the zone of its name."""

    host: FakeHost
    journal: Journal
    zone: Zone
    ca: Ca = field(default_factory=Ca)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def case(self) -> Case:
        return self.host.case(Repair.REKEY, names=(NAME,))

    def repair(self, case: Case | None = None, **changes: Any) -> CaseResult:  # noqa: ANN401 - any field of Means
        run = self.host.run(self.journal, self.ca, lookups=self.zone, clock=lambda: self.now, **changes)
        return repair([case or self.case], run, CONCURRENCY)[0]

    @property
    def owner(self) -> str:
        return f"_{self.host.endpoint.port}._tcp.{NAME}"

    @property
    def keys(self) -> list[Path]:
        return list((self.host.folder.parent / "sslaudit").rglob("pending/key.pem"))


@pytest.fixture
def stage(host: FakeHost, journal: Journal) -> Stage:
    return Stage(host, journal, Zone())


def record_in(ending: CaseResult) -> str:
    """Return the data of the record that a result names as missing."""
    found = re.search(r"IN TLSA (3 1 1 [0-9a-f]{64})", ending.note)
    assert found, ending
    return found[1]


def test_unpublished_record_makes_the_case_wait_without_an_order(stage: Stage) -> None:
    stage.zone.records_of[stage.owner, "TLSA"] = ("3 1 1 " + "ab" * 32,)
    first, second = stage.repair(), stage.repair()
    assert (first.ended_as, first.cause, first.step) == ("interrupted", "dns.tlsa", "preconditions")
    assert f"{stage.owner}. IN TLSA {record_in(first)}" in first.note
    assert record_in(second) == record_in(first)
    assert (stage.ca.orders, len(stage.keys)) == ({}, 1)


def test_certificate_is_ordered_once_caches_have_the_published_record(stage: Stage) -> None:
    old = "3 1 1 " + "ab" * 32
    stage.zone.records_of[stage.owner, "TLSA"] = (old,)
    published = record_in(stage.repair())
    stage.zone.records_of[stage.owner, "TLSA"] = (old, published)
    spreading = stage.repair()
    assert (spreading.cause, spreading.next_at) == ("dns.tlsa-spreading", stage.now + timedelta(seconds=TTL_S))
    assert stage.repair().cause == "run.not-due"
    stage.now += timedelta(seconds=TTL_S + 1)
    assert stage.repair().step != "preconditions"
    assert stage.ca.orders


def test_first_sight_of_a_record_is_kept_after_a_killed_run(stage: Stage) -> None:
    old = "3 1 1 " + "ab" * 32
    stage.zone.records_of[stage.owner, "TLSA"] = (old,)
    published = record_in(stage.repair())
    stage.zone.records_of[stage.owner, "TLSA"] = (old, published)
    stage.journal.record(stage.case.id, Event("preconditions", "intended", stage.now))  # and killed
    assert stage.repair().cause is Cause.DNS_TLSA_SPREADING
    seen = [event.detail.published_spki_sha256 for event in stage.journal.history(stage.case.id)]
    assert seen[-1] == published.rpartition(" ")[2]
    stage.now += timedelta(seconds=TTL_S + 1)
    assert stage.repair().step != "preconditions"


@pytest.mark.parametrize("status", ["servfail", "timeout"])
@pytest.mark.parametrize("record_type", ["TLSA", "MX", "CNAME"])
def test_case_waits_without_a_key_if_a_query_fails(stage: Stage, status: RecordStatus, record_type: RecordType) -> None:
    stage.zone.records_of[stage.owner if record_type == "TLSA" else NAME, record_type] = status
    ending = stage.repair()
    assert (ending.ended_as, ending.cause) == ("interrupted", "dns.tlsa-unanswered")
    assert (stage.ca.orders, stage.keys) == ({}, [])


def test_tlsa_of_a_mail_server_is_queried_only_if_it_is_this_host(stage: Stage) -> None:
    stage.zone.records_of[NAME, "MX"] = ("10 mx.shop.example.",)
    stage.zone.records_of["_25._tcp.mx.shop.example", "TLSA"] = ("3 1 1 " + "ab" * 32,)
    stage.zone.leads_to = ("203.0.113.9",)
    assert stage.repair().cause != "dns.tlsa"
    (address,) = stage.host.target().addresses or ("127.0.0.1",)
    stage.zone.leads_to = (address,)
    target = stage.host.target()
    assert target.server is not None
    known = replace(target, server=replace(target.server, addresses=(address,)))
    other = replace(stage.case, id="other")
    ending = stage.repair(other, targets={str(known.endpoint): known})
    assert (ending.cause, "_25._tcp.mx.shop.example. IN TLSA 3 1 1" in ending.note) == ("dns.tlsa", True), ending


def test_tlsa_of_an_alias_is_queried(stage: Stage) -> None:
    stage.zone.records_of[NAME, "CNAME"] = ("cdn.example.net.",)
    stage.repair()
    assert f"_{stage.host.endpoint.port}._tcp.cdn.example.net TLSA" in stage.zone.asked


def test_missing_name_server_skips_the_queries_with_a_note(stage: Stage) -> None:
    stage.zone.answers = False
    ending = stage.repair()
    assert (ending.step != "preconditions", stage.zone.asked) == (True, [])
    notes = [event.note for event in stage.journal.events(stage.case.id) if event.step == "preconditions"]
    assert "no name server responds here" in notes[-1]
