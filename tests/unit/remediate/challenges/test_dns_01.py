"""The self-test of dns-01: what each server of the zone returns decides, and a silent server decides nothing."""

from __future__ import annotations

import pytest

from audit.probe.dns.texts import ServerTexts
from remediate.challenges import ProbeSettings, self_test
from remediate.model.authorization import Challenge

SERVER = ("ns1.example.", "192.0.2.1")


def seen(*servers: ServerTexts, identifier: str = "a.example") -> list[tuple[str, str, str]]:
    """Return name, verdict and detail of each result."""
    challenge = Challenge("dns-01", identifier, "token", "right")
    results = self_test(challenge, (), ProbeSettings(texts=lambda _: servers))
    return [(result.name, result.verdict, result.detail) for result in results]


@pytest.mark.parametrize(
    ("found", "verdict", "detail"),
    [
        (ServerTexts(*SERVER, ("right",)), "good", "as written"),
        (ServerTexts(*SERVER, ("of another CA", "right")), "good", "as written"),
        (ServerTexts(*SERVER), "missing", "there is no TXT record"),
        (ServerTexts(*SERVER, ("old", "older")), "altered", "the TXT record is 'old', 'older'; 'right' is required"),
        (ServerTexts(*SERVER, ("right ",)), "altered", "the TXT record is 'right '; 'right' is required"),
        (ServerTexts(*SERVER, ("\x1b[2J",)), "altered", "the TXT record is '\\x1b[2J'; 'right' is required"),
        (ServerTexts(*SERVER, fault="no response in time"), "unseen", "no response in time"),
    ],
)
def test_records_of_a_server_decide_its_verdict(found: ServerTexts, verdict: str, detail: str) -> None:
    assert seen(found) == [("_acme-challenge.a.example", verdict, detail)]


def test_each_server_has_a_result_of_its_own() -> None:
    results = seen(ServerTexts(*SERVER, ("right",)), ServerTexts("ns2.example.", "192.0.2.2"))
    assert [verdict for _, verdict, _ in results] == ["good", "missing"]


def test_record_of_a_wildcard_is_that_of_its_base_name() -> None:
    assert seen(ServerTexts(*SERVER), identifier="*.a.example")[0][0] == "_acme-challenge.a.example"


def test_result_names_the_server_and_the_command_to_repeat_it() -> None:
    challenge = Challenge("dns-01", "a.example", "token", "right")
    (result,) = self_test(challenge, (), ProbeSettings(texts=lambda _: (ServerTexts(*SERVER),)))
    assert result.address == "ns1.example. (192.0.2.1)"
    assert result.command == "dig @192.0.2.1 _acme-challenge.a.example TXT"


def test_type_without_a_self_test_has_no_result() -> None:
    assert self_test(Challenge("corp-01", "a.example", "t", "c"), (), ProbeSettings()) == ()
