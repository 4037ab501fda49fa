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
from remediate.model.case import Case, Repair
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.journal import Event, Journal
from tests.support.remediate.fake_host.ca import Ca
from tests.support.remediate.fake_host.host import FakeHost

NAME = "www.shop.example"
OLD = "3 1 1 " + "ab" * 32
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
class TlsaCase:
    """A case of a website, its CA and the zone of its name."""

    host: FakeHost
    journal: Journal
    zone: Zone
    ca: Ca = field(default_factory=Ca)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def planned(self) -> Case:
        return self.host.case(Repair.REKEY, names=(NAME,))

    def repair(self, **changes: Any) -> CaseResult:  # noqa: ANN401 - any field of the run
        given = {"case": self.planned, "lookups": self.zone, "clock": lambda: self.now, **changes}
        return self.host.repair(self.journal, self.ca, **given)

    @property
    def owner(self) -> str:
        return f"_{self.host.endpoint.port}._tcp.{NAME}"

    @property
    def keys(self) -> list[Path]:
        return list(self.host.workdir_root.rglob("pending/key.pem"))


@pytest.fixture
def tlsa_case(host: FakeHost, journal: Journal) -> TlsaCase:
    return TlsaCase(host, journal, Zone())


def record_in(ending: CaseResult) -> str:
    """Return the data of the record that a result names as missing."""
    found = re.search(r"IN TLSA (3 1 1 [0-9a-f]{64})", ending.note)
    assert found, ending
    return found[1]


def publish_missing_record(tlsa_case: TlsaCase) -> str:
    """Publish the record that a first run names beside the old one, and return it."""
    tlsa_case.zone.records_of[tlsa_case.owner, "TLSA"] = (OLD,)
    published = record_in(tlsa_case.repair())
    tlsa_case.zone.records_of[tlsa_case.owner, "TLSA"] = (OLD, published)
    return published


def test_unpublished_record_makes_the_case_wait_without_an_order(tlsa_case: TlsaCase) -> None:
    tlsa_case.zone.records_of[tlsa_case.owner, "TLSA"] = (OLD,)
    first, second = tlsa_case.repair(), tlsa_case.repair()
    assert (first.ended_as, first.cause, first.step) == ("interrupted", "dns.tlsa", "preconditions")
    assert f"{tlsa_case.owner}. IN TLSA {record_in(first)}" in first.note
    assert record_in(second) == record_in(first)
    assert (tlsa_case.ca.orders, len(tlsa_case.keys)) == ({}, 1)


def test_certificate_is_ordered_once_caches_have_the_published_record(tlsa_case: TlsaCase) -> None:
    publish_missing_record(tlsa_case)
    spreading = tlsa_case.repair()
    assert (spreading.cause, spreading.next_at) == ("dns.tlsa-spreading", tlsa_case.now + timedelta(seconds=TTL_S))
    assert tlsa_case.repair().cause == "run.not-due"
    tlsa_case.now += timedelta(seconds=TTL_S + 1)
    assert tlsa_case.repair().step != "preconditions"
    assert tlsa_case.ca.orders


def test_first_sight_of_a_record_is_kept_after_a_killed_run(tlsa_case: TlsaCase) -> None:
    published = publish_missing_record(tlsa_case)
    tlsa_case.journal.record(tlsa_case.planned.id, Event("preconditions", "intended", tlsa_case.now))  # and killed
    assert tlsa_case.repair().cause is Cause.DNS_TLSA_SPREADING
    seen = [event.detail.published_spki_sha256 for event in tlsa_case.journal.history(tlsa_case.planned.id)]
    assert seen[-1] == published.rpartition(" ")[2]
    tlsa_case.now += timedelta(seconds=TTL_S + 1)
    assert tlsa_case.repair().step != "preconditions"


@pytest.mark.parametrize("status", ["servfail", "timeout"])
@pytest.mark.parametrize("record_type", ["TLSA", "MX", "CNAME"])
def test_case_waits_without_a_key_if_a_query_fails(
    tlsa_case: TlsaCase, status: RecordStatus, record_type: RecordType
) -> None:
    tlsa_case.zone.records_of[tlsa_case.owner if record_type == "TLSA" else NAME, record_type] = status
    ending = tlsa_case.repair()
    assert (ending.ended_as, ending.cause) == ("interrupted", "dns.tlsa-unanswered")
    assert (tlsa_case.ca.orders, tlsa_case.keys) == ({}, [])


def test_tlsa_of_a_mail_server_is_queried_only_if_it_is_this_host(tlsa_case: TlsaCase) -> None:
    tlsa_case.zone.records_of[NAME, "MX"] = ("10 mx.shop.example.",)
    tlsa_case.zone.records_of["_25._tcp.mx.shop.example", "TLSA"] = (OLD,)
    tlsa_case.zone.leads_to = ("203.0.113.9",)
    assert tlsa_case.repair().cause != "dns.tlsa"
    (address,) = tlsa_case.host.target().addresses or ("127.0.0.1",)
    tlsa_case.zone.leads_to = (address,)
    target = tlsa_case.host.target()
    assert target.server is not None
    known = replace(target, server=replace(target.server, addresses=(address,)))
    ending = tlsa_case.repair(case=replace(tlsa_case.planned, id="other"), targets={str(known.endpoint): known})
    assert (ending.cause, "_25._tcp.mx.shop.example. IN TLSA 3 1 1" in ending.note) == ("dns.tlsa", True), ending


def test_tlsa_of_an_alias_is_queried(tlsa_case: TlsaCase) -> None:
    tlsa_case.zone.records_of[NAME, "CNAME"] = ("cdn.example.net.",)
    tlsa_case.repair()
    assert f"_{tlsa_case.host.endpoint.port}._tcp.cdn.example.net TLSA" in tlsa_case.zone.asked


def test_missing_name_server_skips_the_queries_with_a_note(tlsa_case: TlsaCase) -> None:
    tlsa_case.zone.answers = False
    ending = tlsa_case.repair()
    assert (ending.step != "preconditions", tlsa_case.zone.asked) == (True, [])
    notes = [event.note for event in tlsa_case.journal.events(tlsa_case.planned.id) if event.step == "preconditions"]
    assert "no name server responds here" in notes[-1]
