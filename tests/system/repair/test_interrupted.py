"""Whatever cuts a repair short: a lost connection, another controller, a lost state folder, SIGKILL."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.crash_points import STRIDE
from tests.support.hosts.fleet import UNTIL, Fleet, leaf_of, running_fleet
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority
from tests.support.hosts.ssh_login import LOG

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_SEED: Final = 20_260_101
_CUT: Final = r"""
setsid sh -c '
until grep -qs " switched " /var/lib/sslaudit/*/*/state; do sleep 0.01; done
for pid in $(pidof sshd); do kill -KILL "$pid"; done
' >/dev/null 2>&1 &
"""
_MEND: Final = f"until [ -z $(pidof sshd) ]; do sleep 0.02; done; /usr/sbin/sshd -E {LOG}"
_SLOW: Final = "mkfifo /run/slow; echo 'include /run/slow;' >>/etc/nginx/nginx.conf"
"""A configuration that cannot be read to its end before the test writes into the pipe."""
_GO_ON: Final = "cp /root/nginx/nginx.conf /etc/nginx; : >/run/slow; rm /run/slow"
_GIVE_UP: Final = "for pid in $(pgrep -f 'sslaudit-[s]witch'); do kill -TERM $pid || :; done"
"""What lets a switch that waits go back before its time."""


@pytest.fixture(scope="module")
def far(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", over_ssh=True) as running:
        running.audit()
        yield running


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - as above
    with running_fleet(authority, "nginx", "dovecot", "exim", over_ssh=False) as running:
        running.audit()
        yield running


@pytest.mark.parametrize("confirm_within_s", [1, 30], ids=["goes-back-by-itself", "still-waits"])
def test_lost_connection_during_the_switch_causes_no_outage(far: Fleet, confirm_within_s: int) -> None:
    far.begin_again()
    orders, old = far.orders(), leaf_of(far.planted.old)
    with far.watching() as watch, far.controller(confirmation_s=confirm_within_s) as controller:
        far.web1.shell(_CUT)
        ((kind, step, cause, note),) = controller.run()["endings"]
        assert (kind, step.split()[0], cause) == ("interrupted", "reload", "host.unreachable"), note
        if confirm_within_s == 1:
            assert wait_until(lambda: far.leaves() == {old})
        else:
            assert wait_until(lambda: old not in far.leaves())
        far.web1.shell(_MEND)
        far.web1.wait_for(22)
        result = controller.run(confirmation_s=30)
        assert [kind for kind, *_ in result["endings"]] == ["proven"], result
        watch.saw_no_failure()
    assert (far.orders() - orders, len(far.leaves() - {old})) == (1, 1)


def test_second_controller_reports_the_first_and_changes_nothing(far: Fleet) -> None:
    far.begin_again()
    orders, state = far.orders(), far.new_state()
    with far.watching() as watch, far.controller(state) as one, far.controller() as other:
        one.begin(held_at="install", go="/run/one")
        far.near.shell(UNTIL.format("-e /run/one"))
        held = other.run(state=state)["held"]
        assert f"{state} is in use by process" in held
        other.begin(held_at="preconditions", go="/run/other")
        far.near.shell(UNTIL.format("-e /run/other"))
        far.web1.shell(_SLOW)
        far.near.shell("rm /run/one")
        far.web1.shell(UNTIL.format('-n "$(cat /var/lib/sslaudit/*/*/state)"'))
        far.near.shell("rm /run/other")
        ((kind, _, cause, note),) = other.hear()["endings"]
        far.web1.shell(_GO_ON)
        assert (kind, cause, "test, process" in note) == ("interrupted", "host.locked", True), note
        assert [kind for kind, *_ in one.hear()["endings"]] == ["proven"]
        assert [cause for _, _, cause, _ in other.run()["endings"]] == ["case.changed"]
        assert watch.saw_no_gap(is_replaced=True)
    assert far.orders() - orders == 1


@pytest.mark.parametrize("step", ["order", "collect", "reload"])
def test_lost_state_directory_causes_no_second_order(far: Fleet, step: str) -> None:
    far.begin_again()
    orders, state, old = far.orders(), far.new_state(), leaf_of(far.planted.old)
    with far.watching() as watch, far.controller(state) as controller:
        assert controller.run(killed_at=step) == {"status": -9}
        far.web1.shell(_GIVE_UP)
        assert wait_until(lambda: far.leaves() == {old})
        far.near.shell(f"rm -r {state}")
        result = controller.run()
        assert [kind for kind, *_ in result["endings"]] == ["proven"], result
        watch.saw_no_failure()
    assert (far.orders() - orders, old in far.leaves()) == (1, False)


def test_run_killed_repeatedly_ends_with_one_certificate_on_all_services(fleet: Fleet) -> None:
    chance = random.Random(_SEED)  # noqa: S311 - the same points each time
    with fleet.controller() as controller:
        for first in chance.sample(range(1, 41), max(2, 8 // STRIDE)):  # a whole run has a few more records
            fleet.begin_again()
            orders, state, points = fleet.orders(), fleet.new_state(), [first, *chance.choices(range(1, 10), k=2)]
            with fleet.watching() as watch:
                for record in points:
                    killed = controller.run(state=state, killed=f"{chance.choice(('before', 'after'))} {record}")
                    assert killed == {"status": -9} or record != first, (points, killed)
                result = controller.run(state=state)
                assert {ending[0] for ending in result["endings"]} == {"proven"}, (points, result)
                assert watch.saw_no_gap(is_replaced=True), points
            assert (fleet.orders() - orders, len(fleet.leaves())) == (1, 1), points
