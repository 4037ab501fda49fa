"""Whatever cuts a repair short: a lost connection, another controller, a lost state folder, SIGKILL."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import pytest

from tests.real.fleet import FOUND, Fleet, leaf_of, running_fleet
from tests.real.login import LOG
from tests.real.peer import wait_until
from tests.real.pki import Authority

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("overlays")]

_SEED: Final = 20_260_101
_CUT: Final = r"""
setsid sh -c '
until grep -qs " switched " /var/lib/sslaudit/*/*/state; do sleep 0.01; done
for pid in $(pidof sshd); do kill -KILL "$pid"; done
' >/dev/null 2>&1 &
"""
_MEND: Final = f"until [ -z $(pidof sshd) ]; do sleep 0.02; done; /usr/sbin/sshd -E {LOG}"
_GIVE_UP: Final = "for pid in $(pgrep -f 'sslaudit-[s]witch'); do kill -TERM $pid || :; done"
"""What lets a switch that waits go back before its time."""


@pytest.fixture(scope="module")
def far(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", over_ssh=True) as running:
        running.audit()
        running.near.shell(f"cp {FOUND} {FOUND}.first")
        yield running


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - as above
    with running_fleet(authority, "nginx", "dovecot", "exim", over_ssh=False) as running:
        running.audit()
        yield running


@pytest.mark.parametrize("patience_s", [1, 30], ids=["goes-back-by-itself", "still-waits"])
def test_a_connection_cut_in_the_middle_of_the_switch_is_no_outage(far: Fleet, patience_s: int) -> None:
    far.begin_again()
    orders, old = far.orders(), leaf_of(far.planted.old)
    with far.watching() as watch, far.controller(confirmation_s=patience_s) as controller:
        far.web1.shell(_CUT)
        ((kind, step, cause, note),) = controller.run()["endings"]
        assert (kind, step.split()[0], cause) == ("interrupted", "reload", "host.unreachable"), note
        if patience_s == 1:
            assert wait_until(lambda: far.leaves() == {old})
        else:
            assert wait_until(lambda: old not in far.leaves())
        far.web1.shell(_MEND)
        far.web1.wait_for(22)
        said = controller.run(confirmation_s=30)
        assert [kind for kind, *_ in said["endings"]] == ["proven"], said
        watch.saw_no_failure()
    assert (far.orders() - orders, len(far.leaves() - {old})) == (1, 1)


def test_of_two_controllers_the_second_says_who_works_there_and_nothing_is_done_twice(far: Fleet) -> None:
    far.begin_again()
    orders, state = far.orders(), far.new_state()
    with far.watching() as watch, far.controller(state, confirmation_s=120) as one, far.controller() as other:
        one.begin(held_at="reload")
        assert wait_until(lambda: "waiting" in far.web1.run("sh", "-c", "cat /var/lib/sslaudit/*/*/state").stdout)
        assert "/run/state" in (held := other.run(state=state)["held"])
        assert "is in use by process" in held
        ((kind, _, cause, note),) = other.run()["endings"]
        assert (kind, cause, "test, process" in note) == ("interrupted", "host.locked", True), note
        far.near.shell("touch /run/go")
        assert [kind for kind, *_ in one.hear()["endings"]] == ["proven"]
        far.audit()
        assert other.run()["endings"] == []
        assert watch.saw_no_gap(is_replaced=True)
    far.near.shell(f"cp {FOUND}.first {FOUND}")
    assert far.orders() - orders == 1


@pytest.mark.parametrize("step", ["order", "collect", "reload"])
def test_a_state_folder_lost_after_an_order_costs_no_second_one(far: Fleet, step: str) -> None:
    far.begin_again()
    orders, state, old = far.orders(), far.new_state(), leaf_of(far.planted.old)
    with far.watching() as watch, far.controller(state) as controller:
        assert controller.run(killed_at=step) == {"status": -9}
        far.web1.shell(_GIVE_UP)
        assert wait_until(lambda: far.leaves() == {old})
        far.near.shell(f"rm -r {state}")
        said = controller.run()
        assert [kind for kind, *_ in said["endings"]] == ["proven"], said
        watch.saw_no_failure()
    assert (far.orders() - orders, old in far.leaves()) == (1, False)


def test_killed_anywhere_and_again_three_services_end_the_same(fleet: Fleet) -> None:
    chance = random.Random(_SEED)  # noqa: S311 - the same points each time
    fleet.begin_again()
    with fleet.controller() as controller:
        records = controller.run(state=fleet.new_state())["records"]
        for first in chance.sample(range(1, records), 5):
            fleet.begin_again()
            orders, state, points = fleet.orders(), fleet.new_state(), [first, *chance.choices(range(1, 10), k=2)]
            with fleet.watching() as watch:
                for record in points:
                    killed = controller.run(state=state, killed=f"{chance.choice(('before', 'after'))} {record}")
                    assert killed == {"status": -9} or killed["endings"][0][0] == "proven", (points, killed)
                said = controller.run(state=state)
                assert {ending[0] for ending in said["endings"]} == {"proven"}, (points, said)
                assert watch.saw_no_gap(is_replaced=True), points
            assert (fleet.orders() - orders, len(fleet.leaves())) == (1, 1), points
