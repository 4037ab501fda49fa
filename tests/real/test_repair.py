"""Repairs on a real host: proven on the wire, and the same where the controller is killed at every record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from tests.real.daemons import DAEMONS
from tests.real.fleet import WEB1, Fleet, Talk, running_fleet
from tests.real.host import Host
from tests.real.peer import served
from tests.real.pki import Authority

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("overlays")]

TLS_PORTS: Final = (443, 993, 995, 465)


def leaves(host: Host, *ports: int) -> set[bytes]:
    """Return what the ports serve; one where they agree."""
    return {served(host, port, WEB1)[0].signature for port in ports}


def findings(fleet: Fleet) -> set[str]:
    """Return the checks that an audit finds wrong on the website; what does not run on the host is wrong too."""
    return {check for endpoint, check in fleet.audit().with_verdict("fail", "error") if endpoint.endswith(":443")}


def are_replaced(watch: Talk) -> bool:
    """Tell whether each watched service served one leaf and then one other, and always one.

    Old workers of nginx answer beside the new ones for a moment.
    """
    seen: dict[str, list[str]] = json.loads(watch.end())
    assert not [answer for answers in seen.values() for answer in answers if answer.startswith("failed")], seen
    return all(len(set(answers)) == 2 and answers[0] != answers[-1] for answers in seen.values())


def killed_at_every_record(controller: Talk) -> Iterator[str]:
    """Yield where each run was killed, a record further than the one before it, until one comes to its end.

    What is done for the whole case is not walked again, so the count begins anew with what is done for its services.
    """
    for number in (*range(1, 13), *range(2, 100)):
        for moment in ("before", "after"):
            said = controller.ask(f"{moment} {number}")
            if "status" not in said:
                assert [kind for kind, *_ in said["endings"]] == ["proven"], said
                return
            assert said == {"status": -9}
            yield f"{moment} {number}"


def test_killed_at_every_record_the_next_runs_come_to_one_order_and_no_gap(authority: Authority) -> None:
    with running_fleet(authority, "nginx", over_ssh=False) as fleet:
        assert "cert.expired" in findings(fleet)
        with fleet.watching(443) as watch, fleet.controller("/run/state") as controller:
            assert len(list(killed_at_every_record(controller))) > 32
            assert are_replaced(watch)
            assert fleet.orders() == 1
            assert findings(fleet) == set()
            assert controller.ask()["endings"] == []


def test_one_certificate_of_three_services_is_one_order_and_proven_on_each(authority: Authority) -> None:
    with running_fleet(authority, "nginx", "dovecot", "exim", over_ssh=True) as fleet:
        findings(fleet)
        with fleet.watching(*TLS_PORTS) as watch, fleet.controller("/run/state") as controller:
            before = leaves(fleet.web1, *TLS_PORTS)
            said = controller.ask()
            assert [kind for kind, *_ in said["endings"]] == ["proven"], said
            assert are_replaced(watch)
        after = leaves(fleet.web1, *TLS_PORTS)
        assert (len(after), after & before, fleet.orders()) == (1, set(), 1)
        keys = fleet.web1.shell("cat /etc/ssl/*/main.key").split("-----")
        kept = fleet.near.run("sh", "-c", "cat /run/state/* /run/found.jsonl").stdout
        assert not [line for line in keys[2::4] if line.strip().splitlines()[0] in kept]


def test_a_certificate_that_lies_ready_is_taken_up_by_a_reload_and_nothing_is_ordered(authority: Authority) -> None:
    with running_fleet(authority, "nginx", over_ssh=False) as fleet:
        renewed = authority.issue(WEB1)
        nginx = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
        fleet.web1.write(*nginx.files(renewed, authority.issue("www.example.test")))
        assert "svc.disk-vs-wire" in findings(fleet)
        with fleet.controller("/run/state") as controller:
            said = controller.ask()
        assert {kind for kind, *_ in said["endings"]} == {"proven"}, said
        assert (findings(fleet), fleet.orders()) == (set(), 0)
