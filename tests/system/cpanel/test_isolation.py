"""The environment of the panel's host leads nowhere else, and a test of it does not start where it does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cpanel.lan import Exposed, Lan, give, join, require_secluded
from tests.support.hosts.host import Host, connect, running_host

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]


@pytest.fixture
def lan(overlays: None) -> Iterator[Lan]:  # noqa: ARG001 - requested to skip or fail before anything starts
    with running_host("main", "switch.panel.test") as switch, running_host("main", "server.panel.test") as host:
        yield join(switch, host)


@pytest.fixture
def outsider(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - requested to skip or fail before anything starts
    with running_host("main", "outsider.example.test") as host:
        yield host


def test_connected_hosts_reach_only_one_another(lan: Lan) -> None:
    require_secluded(lan.hosts)
    give(lan, "switch.panel.test", ["178.255.81.12"])
    far = lan.hosts[1]
    assert "dev lan" in far.do("ip", "route", "get", "178.255.81.12")
    assert far.run("ip", "route", "get", "178.255.81.13").returncode != 0


def test_link_to_a_host_outside_the_test_is_refused(lan: Lan, outsider: Host) -> None:
    connect(lan.hosts[1], outsider, 9)
    with pytest.raises(Exposed, match=r"server\.panel\.test has the link to9, whose other end is not in the test"):
        require_secluded(lan.hosts)


def test_default_route_is_refused_and_no_address_is_assigned(lan: Lan) -> None:
    lan.hosts[1].do("ip", "route", "add", "default", "dev", "lan")
    with pytest.raises(Exposed, match=r"server\.panel\.test has a route to default"):
        give(lan, "switch.panel.test", ["178.255.81.12"])
    assert "178.255.81.12" not in lan.hosts[0].do("ip", "addr")
