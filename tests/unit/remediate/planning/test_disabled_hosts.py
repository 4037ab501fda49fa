"""Tests of hosts on which the administrator has disabled repairs: no option overrides that."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from audit.config import read_configuration
from audit.endpoint import Endpoint
from audit.host.discovery import Discovery
from audit.observation import HostView, Observation
from audit.observation.cpanel import CpanelState, Unread
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.audit_results import audit_results_of
from remediate.model.options import RunLimits, RunOptions
from remediate.planning.fleet import is_silenced
from remediate.state.journal import open_journal
from remediate.wiring.run_context import run_context
from tests.support.remediate.cpanel_rows import HOST, NAME, endpoint, fresh
from tests.support.remediate.result_rows import SUMMARY, Row, found, planned, seen

FIRST: Final = "/var/cpanel/ssl/disable_auto_hostname_certificate"
SECOND: Final = "/var/cpanel/ssl/disable_service_certificate_management"
PANELS: Final = RunLimits(is_panels_issuer=True)
WEB: Final = f"{HOST}/https://shop.example.com:443"


def switched(*files: str, verdict: str = "fail") -> Row:
    """Return the result of the audit about existing touch files."""
    return found(f"{HOST}/", "ops.management-disabled", severity="info", remedy="none", verdict=verdict,
                 detail={"observed": list(files)})  # fmt: skip


@pytest.mark.parametrize("file", [FIRST, SECOND])
@pytest.mark.parametrize("verdict", ["fail", "waived"])
@pytest.mark.parametrize("run_limits", [RunLimits(), PANELS, RunLimits(foreign="run-owner")])
def test_touch_file_disables_all_repairs_and_is_named(file: str, verdict: str, run_limits: RunLimits) -> None:
    plan = planned(*fresh(), switched(file, verdict=verdict), run_limits=run_limits)
    assert (plan.cases, plan.waiting) == ((), ())
    whys = {entry.why for entry in plan.explained if entry.check == "cert.self-signed"}
    assert whys == {f"repairs are disabled on the host itself: {file} exists"}


@pytest.mark.parametrize("verdict", ["inconclusive", "error"])
def test_unreadable_touch_files_disable_all_repairs(verdict: str) -> None:
    plan = planned(*fresh(), switched(verdict=verdict))
    assert (plan.cases, plan.waiting) == ((), ())
    assert "could not check whether" in next(entry.why for entry in plan.explained if entry.check == "cert.self-signed")


@pytest.mark.parametrize("verdict", ["pass", "not-applicable"])
def test_host_without_touch_files_is_repaired(verdict: str) -> None:
    assert len(planned(*fresh(), switched(verdict=verdict)).cases) == 1


@pytest.mark.parametrize(
    ("files", "place", "check", "is_silent"),
    [
        ((SECOND,), endpoint("exim"), "cert.expired", True),
        ((FIRST, SECOND), endpoint("exim"), "cert.expiring", True),
        ((SECOND,), endpoint("exim"), "cert.self-signed", False),
        ((FIRST,), endpoint("exim"), "cert.expired", False),
        ((), endpoint("exim"), "cert.expired", False),
        ((SECOND,), WEB, "cert.expired", False),
        ((SECOND,), f"{HOST}/", "cert.expired", False),
    ],
)
def test_second_touch_file_silences_expiry_of_panel_services_only(
    files: tuple[str, ...], place: str, check: str, *, is_silent: bool
) -> None:
    evidence = audit_results_of([*fresh(), seen(WEB), switched(*files), SUMMARY])
    assert is_silenced(place, check, evidence) is is_silent


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (CpanelState("11.130", (SECOND,)), SECOND),
        (CpanelState("11.130", unread=(Unread("switches", "not root"),)), "could not check whether"),
        (CpanelState("11.130"), ""),
        (None, ""),
    ],
)
def test_run_reads_the_touch_files_of_the_host_again(tmp_path: Path, state: CpanelState | None, reason: str) -> None:
    whole = Endpoint("", "", 0, None, HOST, f"ssh://root@{HOST}")
    view = HostView(HOST, f"ssh://root@{HOST}", fqdn=NAME, cpanel=state)
    discovery = Discovery(Observation(whole, datetime.now(UTC), server=view))
    options = RunOptions(read_configuration(tmp_path, None), tmp_path, TrustAnchors({}), "a test")
    with open_journal(tmp_path / "state") as journal:
        excluded = run_context(options, journal, (discovery,)).host(HOST).excluded
    assert reason in (excluded or "")
    assert bool(excluded) is bool(reason)
