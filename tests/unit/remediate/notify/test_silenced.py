"""Who has asked for silence about what expires of a panel's services is written to about everything else."""

from __future__ import annotations

import pytest

from tests.support.notify.nightly_runs import NightlyRuns, text_of
from tests.support.remediate.cpanel_rows import HOST, endpoint, service, whole
from tests.support.remediate.result_rows import Row, found

FIRST = "/var/cpanel/ssl/disable_auto_hostname_certificate"
SECOND = "/var/cpanel/ssl/disable_service_certificate_management"


def night(*files: str) -> tuple[Row, ...]:
    """Return a host with touch files and a service whose certificate has expired."""
    switched = found(f"{HOST}/", "ops.management-disabled", severity="info", remedy="none", detail={"observed": files})
    return whole(), switched, service("exim"), found(endpoint("exim"), "cert.expired", severity="critical")


@pytest.mark.parametrize("check", ["cert.self-signed", "cert.revoked"])
def test_other_check_is_notified_where_expiry_is_silenced(runs: NightlyRuns, check: str) -> None:
    runs.notify(*night(SECOND), found(endpoint("exim"), check, remedy="reissue"))
    [message] = runs.box.emails
    assert check in text_of(message)
    assert "cert.expired" not in text_of(message)


def test_other_touch_file_silences_nothing(runs: NightlyRuns) -> None:
    runs.notify(*night(FIRST))
    [message] = runs.box.emails
    assert "cert.expired" in text_of(message)
    assert FIRST in text_of(message)
