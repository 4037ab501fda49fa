"""Units of systemd in repairs that a user starts by the command line, with sudo and `KillUserProcesses=yes`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.fleet import leaf_of
from tests.support.hosts.host import HostFile
from tests.support.hosts.nightly_repair import FOLDER, rows
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority
from tests.support.hosts.unit_site import PORTS, Site, leftovers, running_site

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

UNITS: Final = tuple(PORTS.values())
ENDS: Final = """[Service]
ExecReload=
ExecReload=/bin/sh -c 'kill $$(cat /run/apache2-x/apache2.pid); sleep 1'
"""
DROP_IN: Final = "/etc/systemd/system/apache2@x.service.d/later.conf"


@pytest.fixture(scope="module", params=RELEASES)
def site(request: pytest.FixtureRequest, overlays: None, authority: Authority) -> Iterator[Site]:  # noqa: ARG001 - overlays skips or fails first
    with running_site(authority, request.param) as site:
        yield site


def repaired(site: Site) -> tuple[AuditRun, set[tuple[str, str | None]]]:
    """Return the next run, and how its repair ended."""
    site.fleet.a_night_passes(f"{FOLDER}/state")
    run = site.night.run("--sudo")
    return run, {(row["outcome"], row["cause"]) for row in rows(run, "remediation")}


def active(site: Site) -> list[str]:
    return site.host.run("systemctl", "is-active", *UNITS, "apache2").stdout.split()


def test_masked_unit_is_named_before_anything_is_ordered(site: Site) -> None:
    site.host.do("systemctl", "mask", "apache2@x")
    run = site.night.run("--sudo")
    site.host.do("systemctl", "unmask", "apache2@x")
    assert run.status == 1, run.explain()
    assert "apache2@x.service, in which apache runs, is masked" in run.output, run.explain()
    assert site.fleet.orders() == 0


def test_unit_that_a_reload_ends_is_started_again_and_no_other(site: Site) -> None:
    old = site.fleet.planted.old
    site.host.write(HostFile(DROP_IN, ENDS))
    site.host.do("systemctl", "daemon-reload")
    run, endings = repaired(site)
    assert endings == {("failed", "install.not-taken-up")}, run.explain()
    assert active(site) == ["active", "active", "active", "inactive"]
    assert {site.leaves()[port] for port in (443, 8444)} == {leaf_of(old)}


def test_next_run_repairs_all_units_by_the_same_order(site: Site) -> None:
    site.host.shell(f"rm {DROP_IN}; systemctl daemon-reload")
    run, endings = repaired(site)
    assert (run.status, endings) == (0, {("proven", None)}), run.explain()
    (new,) = set(site.leaves().values())
    assert new not in (None, leaf_of(site.fleet.planted.old))
    assert active(site) == ["active", "active", "active", "inactive"]
    assert (site.fleet.orders(), leftovers(site.host)) == (1, "")
