"""A panel that crashes while a repair restarts one of its units: afterwards the repair ends on all services."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest
from cryptography import x509

from tests.support.cpanel import layout, units
from tests.support.hosts.fleet import WEB1, leaf_of
from tests.support.hosts.nightly_repair import rows
from tests.support.hosts.openssl_client import served
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority
from tests.support.hosts.unit_site import HELD, HOLD, Site, leftovers, running_site

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

PLACES: Final = tuple(place for places in layout.PORTS.values() for place in places)


@pytest.fixture(params=RELEASES)
def panel(request: pytest.FixtureRequest, overlays: None, authority: Authority) -> Iterator[Site]:  # noqa: ARG001 - overlays skips or fails first
    serve = partial(units.install, hold=HOLD, held=HELD)
    with running_site(authority, f"{request.param}-services", serve, login_as="root") as site:
        yield site


def leaves(panel: Site) -> set[x509.Certificate]:
    """Return what the ports of all services serve."""
    return {served(panel.host, port, WEB1, word)[0] for port, word in PLACES}


def test_repair_of_a_panel_is_completed_after_a_crash_in_the_switch(panel: Site) -> None:
    cut = panel.cut_short()
    assert {row["outcome"] for row in rows(cut, "remediation")} == {"interrupted"}, cut.explain()
    panel.start()
    panel.host.do("rm", HOLD)
    panel.host.wait_for(80, *(port for port, _ in PLACES))
    resumed = panel.sslaudit("resume")
    assert resumed.status == 0, resumed.explain()
    (new,) = leaves(panel)
    assert new != leaf_of(panel.fleet.planted.old)
    assert (panel.fleet.orders(), leftovers(panel.host)) == (1, "")
    states = panel.host.run("systemctl", "is-active", *units.UNITS.values()).stdout.split()
    assert set(states) == {"active"}
    assert str(panel.night.emails()[-1]["Subject"]).endswith("repaired")
    next_night = panel.night.run()
    assert next_night.status == 0, next_night.explain()
    assert (rows(next_night, "remediation"), panel.fleet.orders()) == ([], 1)
