"""Several certificates on several hosts in one run: a canary first, then beside one another, each for itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pytest

from tests.support.hosts import audit_run as auditing
from tests.support.hosts.daemons import Names
from tests.support.hosts.fleet import WEB1, WWW, Fleet, Planted, leaf_of, plant, running_beside, running_fleet
from tests.support.hosts.host import Host
from tests.support.hosts.openssl_client import served
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

WEB2: Final = "web2.example.test"
_DENY: Final = "mkdir -m 700 /var/www/html/.well-known"  # what root may enter, and nginx may not


@dataclass(frozen=True, slots=True)
class Two:
    """Two hosts: the first has two expired certificates, the second one for two services."""

    fleet: Fleet
    web2: Host
    planted: Planted

    @property
    def hosts(self) -> list[str]:
        """Return both as they are logged into."""
        return [self.fleet.hostspec, f"ssh://root@{WEB2}"]

    def begin_again(self) -> None:
        """Bring both back to how they began."""
        self.fleet.begin_again()
        self.planted.serve_again(self.web2)


@pytest.fixture(scope="module")
def two(overlays: None, authority: Authority) -> Iterator[Two]:  # noqa: ARG001 - overlays skips or fails first
    expired = authority.issue(WWW, begins=-90, lasts=60)
    with running_fleet(authority, "nginx", over_ssh=True, second=expired) as fleet:
        planted = plant(authority, Names(WEB2, "www2.example.test"), "nginx", "dovecot")
        with running_beside(fleet, planted) as web2:
            both = Two(fleet, web2, planted)
            fleet.audit(*both.hosts[1:])
            yield both


def test_untrusted_chain_stops_the_run_at_its_canary(two: Two) -> None:
    two.begin_again()
    orders = two.fleet.orders()
    with two.fleet.controller(hosts=two.hosts, anchors=[auditing.ANCHOR]) as controller:
        first, *others = controller.run()["endings"]
    assert (first[0], first[2], "no path leads to" in first[3]) == ("failed", "issuer.answer", True), first
    assert [(kind, cause) for kind, _, cause, _ in others] == [("waiting", "run.canary")] * 2
    assert (two.fleet.orders() - orders, two.fleet.leaves()) == (1, {leaf_of(two.fleet.planted.old)})
    assert two.planted.leaves(two.web2) == {leaf_of(two.planted.old)}


def test_failure_of_one_host_does_not_stop_the_repair_of_another(two: Two) -> None:
    two.begin_again()
    two.web2.shell(_DENY)
    orders, old = two.fleet.orders(), leaf_of(two.fleet.planted.second)
    with two.fleet.controller(hosts=two.hosts) as controller:
        result = controller.run()
    ended = {(*case["names"],): ending for case, ending in zip(result["cases"], result["endings"], strict=True)}
    assert (ended[WEB1,][0], ended[WWW,][0]) == ("proven", "proven"), ended
    assert (ended[WEB2,][2], WEB2 in ended[WEB2,][3]) == ("dcv.forbidden", True), ended
    assert (two.fleet.orders() - orders, two.planted.leaves(two.web2)) == (2, {leaf_of(two.planted.old)})
    assert old not in served(two.fleet.web1, 443, WWW)
    canary, *others = sorted([datetime.fromisoformat(time) for time in case["times"]] for case in result["cases"])
    (one_begun, one_ended), (other_begun, other_ended) = others
    assert max(one_begun, other_begun) < min(one_ended, other_ended)
    assert canary[1] <= min(one_begun, other_begun)
