"""A run whose issuer is still working: one job is queued, which an administrator lists, reads, runs and removes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remediate.retry.at_queue import read_queue
from tests.support.hosts.fleet import Fleet, leaf_of, running_fleet
from tests.support.hosts.nightly_repair import FOLDER, Night, prepare, rows
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", over_ssh=False) as running:
        running.near.shell("/usr/sbin/atd -l 1000")
        assert wait_until(lambda: running.near.run("test", "-s", "/run/atd.pid").returncode == 0)
        yield running


@pytest.fixture(scope="module")
def night(fleet: Fleet, authority: Authority) -> Night:
    made = prepare(fleet, authority, by_relay=False)
    fleet.near.shell(f"sed -i 's/^verify_timeout_s.*/&\\nissuance_timeout_s = 2/' {FOLDER}/sslaudit.toml")
    return made


def test_pending_order_is_continued_by_one_queued_job(fleet: Fleet, night: Night) -> None:
    fleet.store.ask("pending 1000")
    first = night.run("--allow-retry")
    (row,) = rows(first, "remediation")
    assert (first.status, row["outcome"], row["cause"]) == (1, "pending", "issuer.pending"), first.explain()
    (job,) = read_queue(fleet.near.do("atq"))
    assert f"job {job.number} contacts the issuer again at " in first.output

    again = night.run("--allow-retry")
    assert f"job {job.number} was queued already" in again.output
    assert len(read_queue(fleet.near.do("atq"))) == 1
    script = fleet.near.do("at", "-c", str(job.number))
    assert "-m remediate resume --state" in script
    assert fleet.access["token"] not in script

    fleet.store.ask("behave")
    result = fleet.near.shell(f"at -c {job.number} | sh")
    assert "repaired" in result
    assert (fleet.orders(), leaf_of(fleet.planted.old) in fleet.leaves()) == (1, False)
    fleet.near.do("atrm", str(job.number))
    assert rows(night.run("--no-retry"), "remediation") == []


def test_next_run_continues_the_pending_order_if_no_job_may_be_queued(fleet: Fleet, night: Night) -> None:
    fleet.begin_again()
    orders = fleet.orders()
    fleet.store.ask("pending 1000")
    waiting = night.run("--no-retry")
    assert "no continuation is queued: --allow-retry was not given" in waiting.output
    assert fleet.near.do("atq") == ""
    fleet.store.ask("behave")
    fleet.a_night_passes(f"{FOLDER}/state")
    assert [row["outcome"] for row in rows(night.run("--no-retry"), "remediation")] == ["proven"]
    assert fleet.orders() == orders + 1
