"""A host on which its administrator has switched repair off: nothing overrides that, whoever asks for a repair."""

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
    """Return what the audit says of touch files that are there."""
    return found(f"{HOST}/", "ops.management-disabled", severity="info", remedy="none", verdict=verdict,
                 detail={"observed": list(files)})  # fmt: skip


@pytest.mark.parametrize("file", [FIRST, SECOND])
@pytest.mark.parametrize("verdict", ["fail", "waived"])
@pytest.mark.parametrize("run_limits", [RunLimits(), PANELS, RunLimits(foreign="run-owner")])
def test_nothing_is_replaced_and_the_file_is_named(file: str, verdict: str, run_limits: RunLimits) -> None:
    plan = planned(*fresh(), switched(file, verdict=verdict), run_limits=run_limits)
    assert (plan.cases, plan.waiting) == ((), ())
    whys = {one.why for one in plan.explained if one.check == "cert.self-signed"}
    assert whys == {f"repairs are disabled on the host itself: {file} exists"}


@pytest.mark.parametrize("verdict", ["inconclusive", "error"])
def test_where_it_could_not_be_read_nothing_is_replaced_either(verdict: str) -> None:
    plan = planned(*fresh(), switched(verdict=verdict))
    assert (plan.cases, plan.waiting) == ((), ())
    assert "could not check whether" in next(one.why for one in plan.explained if one.check == "cert.self-signed")


@pytest.mark.parametrize("verdict", ["pass", "not-applicable"])
def test_where_no_file_is_there_all_is_repaired(verdict: str) -> None:
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
def test_the_second_file_asks_for_silence_about_what_expires_of_the_panel(
    files: tuple[str, ...], place: str, check: str, *, is_silent: bool
) -> None:
    evidence = audit_results_of([*fresh(), seen(WEB), switched(*files), SUMMARY])
    assert is_silenced(place, check, evidence) is is_silent


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (CpanelState("11.130", (SECOND,)), SECOND),
        (CpanelState("11.130", unread=(Unread("switches", "not root"),)), "could not check whether"),
        (CpanelState("11.130"), ""),
        (None, ""),
    ],
)
def test_a_run_knows_from_the_host_itself_however_old_its_plan_is(
    tmp_path: Path, state: CpanelState | None, says: str
) -> None:
    whole = Endpoint("", "", 0, None, HOST, f"ssh://root@{HOST}")
    view = HostView(HOST, f"ssh://root@{HOST}", fqdn=NAME, cpanel=state)
    discovery = Discovery(Observation(whole, datetime.now(UTC), server=view))
    options = RunOptions(read_configuration(tmp_path, None), tmp_path, TrustAnchors({}), "a test")
    with open_journal(tmp_path / "state") as journal:
        excluded = run_context(options, journal, (discovery,)).host(HOST).excluded
    assert says in (excluded or "")
    assert bool(excluded) is bool(says)
