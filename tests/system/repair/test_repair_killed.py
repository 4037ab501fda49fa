"""Repairs on a real host: proven on the wire, and the same where the controller is killed at every record."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.crash_points import STEP, STRIDE
from tests.support.hosts.daemons import DAEMONS
from tests.support.hosts.fleet import WEB1, Controller, Fleet, running_fleet
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]


def findings(fleet: Fleet) -> set[str]:
    """Return the checks that an audit finds wrong on the services; what does not run on the host is wrong too."""
    ports = tuple(f":{port}" for port in fleet.planted.ports)
    return {check for endpoint, check in fleet.audit().with_verdict("fail", "error") if endpoint.endswith(ports)}


def killed_at_every_record(controller: Controller, step: int) -> Iterator[str]:
    """Yield where each run was killed, `step` records further than the one before it, until one comes to its end.

    What is done for the whole case is not walked again, so the count begins anew with what is done for its services.
    """
    for number in (*range(1, 13, step), *range(2, 100, step)):
        for moment in ("before", "after"):
            result = controller.run(killed=f"{moment} {number}")
            if "status" not in result:
                assert [kind for kind, *_ in result["endings"]] == ["proven"], result
                return
            assert result == {"status": -9}
            yield f"{moment} {number}"


@pytest.mark.parametrize(("service", "step"), [("nginx", STEP), ("haproxy", STRIDE)])
def test_run_killed_at_any_record_is_completed_with_one_order_and_no_gap(
    authority: Authority, service: str, step: int
) -> None:
    with running_fleet(authority, service, over_ssh=False) as fleet:
        assert "cert.expired" in findings(fleet)
        with fleet.watching() as watch, fleet.controller("/run/state") as controller:
            assert len(list(killed_at_every_record(controller, step))) * step > 32
            assert watch.saw_no_gap(is_replaced=True)
            assert fleet.orders() == 1
            assert findings(fleet) == set()
            assert controller.run()["endings"] == []


def test_certificate_installed_but_not_loaded_is_reloaded_without_an_order(authority: Authority) -> None:
    with running_fleet(authority, "nginx", over_ssh=False) as fleet:
        renewed = authority.issue(WEB1)
        nginx = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
        fleet.web1.write(*nginx.files(renewed, authority.issue("www.example.test")))
        assert "svc.disk-vs-wire" in findings(fleet)
        with fleet.controller("/run/state") as controller:
            result = controller.run()
        assert {kind for kind, *_ in result["endings"]} == {"proven"}, result
        assert (findings(fleet), fleet.orders()) == (set(), 0)
