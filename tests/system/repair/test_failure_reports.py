"""Reports of a failed repair: on the terminal, in the results, by email, and after the recovery."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from tests.support.hosts.fleet import WEB1, WWW, Fleet, leaf_of, running_fleet
from tests.support.hosts.host import HostFile
from tests.support.hosts.nightly_repair import Night, prepare, rows
from tests.support.hosts.openssl_client import served
from tests.support.hosts.pki import Authority, new_authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_OTHER = "/root/other.pem"


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", over_ssh=False) as running:
        yield running


@pytest.fixture(scope="module")
def night(fleet: Fleet, authority: Authority) -> Night:
    return prepare(fleet, authority, by_relay=False)


def text(email: EmailMessage) -> str:
    """Return what a person reads, its lines joined."""
    body = email.get_body(("plain",))
    assert body is not None
    return f"{email['Subject']} {' '.join(body.get_content().split())}"


def test_run_without_a_trusted_chain_reports_it_and_changes_nothing(
    fleet: Fleet, night: Night, authority: Authority
) -> None:
    fleet.near.write(HostFile(_OTHER, new_authority(authority.now).anchor))
    run = night.run(f"--audit-trust={_OTHER}", "--audit-state=/run/other-state")
    assert run.status == 1
    ended = {row["endpoint"]: (row["outcome"], row["cause"]) for row in rows(run, "remediation")}
    assert sorted(ended.values()) == [("failed", "issuer.answer"), ("waiting", "run.canary")], run.explain()
    assert "no path leads to" in run.output
    assert fleet.orders() == 1
    assert served(fleet.web1, 443, WWW)[0] == leaf_of(fleet.planted.second)
    assert fleet.leaves() == {leaf_of(fleet.planted.old)}
    (email,) = night.emails()
    assert "no path leads to" in text(email)


def test_blocked_repair_is_notified_once_and_so_is_its_recovery(fleet: Fleet, night: Night) -> None:
    fleet.begin_again()
    orders, reported = fleet.orders(), len(night.emails())
    fleet.web1.shell("mkdir -m 700 /var/www/html/.well-known")
    first, second = night.run(), night.run()
    assert (first.status, second.status) == (1, 1)
    for run, outcome, cause in ((first, "failed", "dcv.forbidden"), (second, "waiting", "run.not-due")):
        (row,) = rows(run, "remediation")
        assert (row["outcome"], row["cause"]) == (outcome, cause)
        assert (f"local/https://{WEB1}:443", "cert.expired") in run.with_verdict("fail")
    assert f"{WEB1} at {fleet.address}: forbidden: the server denies it with 403" in " ".join(first.output.split())
    (email,) = night.emails()[reported:]
    assert "forbidden: the server denies it with 403" in text(email)
    assert (fleet.orders(), fleet.leaves()) == (orders, {leaf_of(fleet.planted.old)})
    fleet.web1.shell("chmod 755 /var/www/html/.well-known")
    third = night.run()  # the same night: the self-test finds nothing any more, so the case does not wait
    assert [row["outcome"] for row in rows(third, "remediation")] == ["proven"]
    assert "self-test finds nothing (before, it found dcv.forbidden)" in " ".join(third.output.split())
    assert (fleet.orders() - orders, leaf_of(fleet.planted.old) in fleet.leaves()) == (1, False)
    (recovery,) = night.emails()[reported + 1 :]
    assert "repaired" in recovery["Subject"]
