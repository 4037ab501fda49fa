"""A machine that crashes while a repair switches its units: afterwards the repair ends, and every unit runs again."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from typing import Final

import pytest

from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.fleet import leaf_of
from tests.support.hosts.nightly_repair import rows
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority
from tests.support.hosts.unit_site import HOLD, PORTS, Site, leftovers, running_site

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

SUDO: Final = "--sudo"


@pytest.fixture(params=RELEASES)
def site(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Site]:
    with running_site(authority, request.param) as site:
        yield site


def text(email: EmailMessage) -> str:
    body = email.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


def crashed_between_the_renames(site: Site) -> None:
    """Bring the disk of a crashed machine to where it is if the power fails when one file of two is renamed."""
    (state,) = site.machine.file("/var/lib/sslaudit").glob("*/*/state")
    folder, lines = state.parent, state.read_text().splitlines()
    state.write_text("".join(f"{line}\n" for line in lines if line.split()[2] in ("begun", "switching")))
    (folder / "moving").symlink_to((folder / "live").readlink())
    (folder / "live").unlink()
    (folder / "live").symlink_to("0")
    kept = (folder / "0/etc/tls/main.key").read_bytes()
    site.machine.file("/etc/tls/main.key").write_bytes(kept)


def require_repaired(site: Site, resumed: AuditRun) -> None:
    """Require that the repair has ended well, that every unit runs, and that the next night has nothing to do."""
    assert resumed.status == 0, resumed.explain()
    assert "repaired  reissue" in resumed.output
    (new,) = set(site.leaves().values())
    assert new is not None
    assert new != leaf_of(site.fleet.planted.old)
    assert (site.fleet.orders(), leftovers(site.host)) == (1, "")
    assert active(site) == ["active", "active", "active", "inactive"]
    assert str(site.night.emails()[-1]["Subject"]).endswith("repaired")
    next_night = site.night.run(SUDO)
    assert next_night.status == 0, next_night.explain()
    assert (rows(next_night, "remediation"), site.fleet.orders()) == ([], 1)


def active(site: Site) -> list[str]:
    return site.host.run("systemctl", "is-active", *PORTS.values(), "apache2").stdout.split()


def test_repair_is_completed_after_a_crash_in_the_middle_of_the_switch(site: Site) -> None:
    cut = site.cut_short(SUDO)
    assert cut.status == 1, cut.explain()
    assert {row["outcome"] for row in rows(cut, "remediation")} == {"interrupted"}, cut.explain()
    (email,) = site.night.emails()
    assert "[host.unreachable]" in text(email)
    site.start()
    site.host.do("rm", HOLD)
    require_repaired(site, site.sslaudit("resume", SUDO))


def test_services_that_a_crash_between_two_renames_left_down_run_again(site: Site) -> None:
    site.cut_short(SUDO)
    crashed_between_the_renames(site)
    site.start()
    site.host.do("rm", HOLD)
    assert active(site) == ["failed", "failed", "active", "inactive"]
    restored = site.sslaudit("resume", SUDO)
    assert "started apache2@x.service" in restored.output
    assert active(site) == ["active", "active", "active", "inactive"]
    assert set(site.leaves().values()) == {leaf_of(site.fleet.planted.old)}
    require_repaired(site, site.sslaudit("resume", SUDO))
