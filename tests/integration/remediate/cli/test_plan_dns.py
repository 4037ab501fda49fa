"""`python -m remediate plan`: it names the TLSA records for which a repair would wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import dns.rcode
import pytest

from remediate.challenges.dns_lookup import LookUps
from remediate.cli.commands import read_plan
from remediate.cli.main import main
from tests.integration.remediate.cli.test_command import results
from tests.support.probe.name_server import ANSWERS, RCODES, name_server
from tests.support.remediate.result_rows import found, seen

WEB: Final = "web1/https://www.example.com:443"
RECORD: Final = f"3 1 1 {'ab' * 32}"
WAITS: Final = "the key is made, its record is named, and nothing is ordered until that is published"


class Planning:
    """A results file with one expired certificate, and a configuration that names a resolver."""

    def __init__(self, folder: Path, resolver: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys
        self._config = folder / "sslaudit.toml"
        self._config.write_text(f"[probe]\nresolver = [{json.dumps(resolver)}]\n")

    def configure(self, text: str) -> None:
        """Add sections to the configuration."""
        self._config.write_text(self._config.read_text() + text)

    def plan(self, *arguments: str, check: str = "cert.expired", **row: Any) -> str:  # noqa: ANN401 - any field of a row
        """Return what `plan` prints."""
        file = results(self._folder, seen(WEB, **row), found(WEB, check))
        assert main(["plan", str(file), "--issuer", "store", "--config", str(self._config), *arguments]) == 0
        return self._capsys.readouterr().out

    def blocked(self, **row: Any) -> list[str]:  # noqa: ANN401 - any field of a row
        """Return the lines that say what a case would wait for."""
        lines = self.plan(**row).splitlines()
        return [line.removeprefix("  blocked   ") for line in lines if line.startswith("  blocked ")]


@pytest.fixture
def planning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Planning]:
    with name_server() as resolver:
        yield Planning(tmp_path, resolver, capsys)


def publish(monkeypatch: pytest.MonkeyPatch, name: str, record_type: str, record: str) -> None:
    """Publish a record."""
    monkeypatch.setitem(ANSWERS, f"{name}.", {record_type: (record,)})


def test_plan_without_tlsa_records_names_none(planning: Planning) -> None:
    said = planning.plan()
    assert said.startswith("1 to repair, 0 waiting, ")
    assert "blocked" not in said
    assert "TLSA" not in said


def test_plan_names_the_record_that_blocks(planning: Planning, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "_443._tcp.www.example.com", "TLSA", RECORD)
    assert planning.blocked() == [f"_443._tcp.www.example.com has TLSA {RECORD}: {WAITS}"]


def test_plan_names_the_record_of_a_mail_server_that_is_the_host(
    planning: Planning, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, "www.example.com", "MX", "10 mx.example.com.")
    publish(monkeypatch, "mx.example.com", "A", "192.0.2.7")
    publish(monkeypatch, "_25._tcp.mx.example.com", "TLSA", RECORD)
    assert planning.blocked(own_addresses=["192.0.2.8"]) == []
    assert planning.blocked(own_addresses=["192.0.2.7"]) == [f"_25._tcp.mx.example.com has TLSA {RECORD}: {WAITS}"]


def test_plan_names_the_question_that_has_no_answer(planning: Planning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RCODES, "_443._tcp.www.example.com.", dns.rcode.SERVFAIL)
    (why,) = planning.blocked()
    assert why.startswith("whether _443._tcp.www.example.com has TLSA records is unknown (servfail: ")


def test_json_names_it_by_case_and_is_read_again(planning: Planning, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "_443._tcp.www.example.com", "TLSA", RECORD)
    text = planning.plan("--json")
    made = json.loads(text)
    (blocked,) = made["blocked"]
    assert (blocked["case_id"], blocked["by"]["cause"]) == (made["cases"][0]["id"], "dns.tlsa")
    assert RECORD in blocked["by"]["text"]
    assert read_plan(text, "it").blocked[0].case_id == made["cases"][0]["id"]
    del made["blocked"], made["notes"]
    assert read_plan(json.dumps(made), "an earlier plan").blocked == ()


def test_repair_that_keeps_the_key_asks_nothing(planning: Planning, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "_443._tcp.www.example.com", "TLSA", RECORD)
    said = planning.plan(check="chain.incomplete")
    assert "rechain on web1" in said
    assert "TLSA" not in said


def test_plan_says_if_no_name_server_answers(planning: Planning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LookUps, "has_dns", lambda *_: False)
    said = planning.plan()
    assert said.splitlines()[-1] == "TLSA records were not looked up: no name server responds here"
    assert "blocked" not in said


def test_plan_names_the_dead_name_of_a_certificate_and_how_to_give_it_up(
    planning: Planning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RCODES, "old.example.com.", dns.rcode.NXDOMAIN)
    said = planning.plan(names=("www.example.com", "Old.example.com"))
    assert said.startswith("0 to repair, 1 waiting, ")
    (line,) = (line for line in said.splitlines() if line.startswith("  waits "))
    assert line.startswith("  waits     old.example.com: ")
    assert line.endswith(": give it an address, or give the name up: [remediate] drop_names")
    planning.configure('[remediate]\ndrop_names = ["OLD.example.com"]\n')
    said = planning.plan(names=("www.example.com", "Old.example.com"))
    assert said.startswith("1 to repair, 0 waiting, ")
    assert "  left out  old.example.com: the configuration gives the name up ([remediate] drop_names)" in said
