"""A machine that crashes while a repair switches its units: afterwards the repair ends, and every unit runs again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Final

import pytest

from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.fleet import leaf_of
from tests.support.hosts.nightly_repair import rows
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority
from tests.support.hosts.unit_site import HELD, HOLD, PORTS, Site, leftovers, running_site

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

SUDO: Final = "--sudo"


@pytest.fixture(params=RELEASES)
def site(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Site]:
    with running_site(authority, request.param) as site:
        yield site


def crashed_while_a_unit_reloads(site: Site) -> AuditRun:
    """Return how a run ends whose machine crashes while a service loads the new files."""
    site.host.do("touch", HOLD)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(site.night.run, SUDO)
        while site.host.run("test", "-e", HELD).returncode:
            assert not run.done(), run.result().explain()
            time.sleep(0.2)
        site.crash()
        return run.result()


def text(email: EmailMessage) -> str:
    body = email.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


def test_repair_is_completed_after_a_crash_in_the_middle_of_the_switch(site: Site) -> None:
    cut = crashed_while_a_unit_reloads(site)
    assert {row["outcome"] for row in rows(cut, "remediation")} == {"interrupted"}, cut.explain()
    (told,) = site.night.emails()
    assert "[host.unreachable]" in text(told)
    site.start()
    site.host.do("rm", HOLD)
    resumed = site.sslaudit("resume", SUDO)
    assert resumed.status == 0, resumed.explain()
    assert "repaired  reissue" in resumed.output
    (new,) = set(site.leaves().values())
    assert new is not None
    assert new != leaf_of(site.fleet.planted.old)
    assert (site.fleet.orders(), leftovers(site.host)) == (1, "")
    assert site.host.run("systemctl", "is-active", *PORTS.values(), "apache2").stdout.split() == [
        *("active" for _ in PORTS),
        "inactive",
    ]
    assert str(site.night.emails()[-1]["Subject"]).endswith("repaired")
    next_night = site.night.run(SUDO)
    assert next_night.status == 0, next_night.explain()
    assert (rows(next_night, "remediation"), site.fleet.orders()) == ([], 1)
