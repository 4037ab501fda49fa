"""Failures of a repair on a real host: the cause is reported, the served files stay, and the next run repairs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pytest

from tests.support.hosts.fleet import HELD, WEB1, Controller, Fleet, leaf_of, running_fleet
from tests.support.hosts.host import connect, name_hosts, running_host
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_RESTART: Final = "nginx -s stop; while pidof nginx; do sleep 0.02; done; nginx"
_DISK: Final = "mkdir -p /full; mount -t tmpfs -o size=2m,mode=755 tmpfs /full;"
_FILL: Final = "cat /dev/zero >/full/ballast || :"
_NO_INODES: Final = """
cp -a /etc/ssl/nginx /run/kept; mount -t tmpfs -o nr_inodes=5,mode=755 tmpfs /etc/ssl/nginx
cp -a /run/kept/. /etc/ssl/nginx
"""
_TAKE_PORT: Final = r"""
sed -i 's|^http {|& server { listen 8081; }|' /etc/nginx/nginx.conf
setsid python3 -m http.server 8081 >/dev/null 2>&1 &
while ! ss -ltn | grep -q :8081; do sleep 0.02; done
"""


@dataclass(frozen=True, slots=True)
class Injection:
    """What goes wrong, in shell on the host or a word to the Store, how the run ends then, and what its sentence names.

    `then` is how the next night's run ends, once that is fixed: some leave no trace.
    """

    id: str
    cause: str
    named: tuple[str, ...]  # expressions
    planted: str = ":"
    fixed: str = ":"
    misdeed: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "failed"
    orders: int = 1
    then: Literal["proven", "failed", ""] = ""


def website(rule: str) -> str:
    """Return what makes the website treat the CA's file in another way; it serves at once."""
    return f"sed -i 's|root /var/www/html;|& location /.well-known/ {{ {rule} }}|' /etc/nginx/nginx.conf; {_RESTART}"


INJECTIONS: Final = (
    Injection("blocked", "dcv.forbidden", (WEB1, "403"), "mkdir -m 700 /var/www/html/.well-known", orders=0),
    Injection(
        "answered-otherwise", "dcv.no-docroot", (f"http://{WEB1}/", "return 403"), website("return 403;"), orders=0
    ),
    Injection(
        "redirected",
        "dcv.redirected",
        (f"https://{WEB1}/", "follows no redirect"),
        website("return 301 https://$host$request_uri;"),
        changes={"docroot": "/var/www/html"},
        orders=0,
    ),
    Injection(
        "wrong-docroot",
        "dcv.missing",
        (WEB1, "404", "serves another directory"),
        "mkdir -p /srv/other",
        changes={"docroot": "/srv/other"},
        orders=0,
    ),
    Injection(
        "pending",
        "issuer.pending",
        ("store", "o-0"),
        misdeed="pending",
        changes={"issuance_s": 0.5},
        kind="pending",
        then="proven",
    ),
    Injection(
        "html", "issuer.broken", ("store", "not JSON", "<!DOCTYPE html>"), misdeed="html", kind="pending", orders=0
    ),
    Injection("other-key", "issuer.answer", ("for another key",), misdeed="other-key", then="failed"),
    Injection("other-names", "issuer.answer", (f"other-{WEB1}",), misdeed="other-names"),
    Injection("error-page", "issuer.answer", ("not a PEM certificate", "<!DOCTYPE html>"), misdeed="error-page"),
    Injection(
        "broken-configuration",
        "install.not-taken-up",
        ("nginx: ", r"\(as it did before the switch\)"),
        "echo 'server {' >>/etc/nginx/nginx.conf",
        "cp /root/nginx/nginx.conf /etc/nginx",
        then="proven",
    ),
    Injection(
        "not-reloaded",
        "proof.logged",
        (
            ":443",
            "serves another leaf",
            "the switch is returned",
            r"since the reload: .*bind\(\) to .* failed",
            "no worker of nginx",
        ),
        _TAKE_PORT,
        "kill $(pgrep -f 'http.server 808[1]')",
        changes={"proof_s": 1.5},
        then="proven",
    ),
    Injection(
        "disk-full",
        "host.unprepared",
        ("/full has room for 0 kB",),
        _DISK + _FILL,
        changes={"root": "/full/x"},
        orders=0,
    ),
    Injection(
        "no-inodes",
        "host.unprepared",
        (r"/etc/ssl/nginx has room for \d files, \d too few",),
        _NO_INODES,
        "umount /etc/ssl/nginx",
        orders=0,
        then="proven",
    ),
    Injection(
        "clock-wrong",
        "ops.clock-skew",
        ("the clock of local is 1 h behind ours",),
        changes={"ahead_s": 3600.0},
        kind="interrupted",
        orders=0,
    ),
)


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", over_ssh=False) as running:
        running.audit()
        yield running


@pytest.fixture(scope="module")
def controller(fleet: Fleet) -> Iterator[Controller]:
    with fleet.controller() as running:
        yield running


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.id)
def test_failure_is_reported_with_its_cause_and_changes_nothing(
    fleet: Fleet, controller: Controller, injection: Injection
) -> None:
    fleet.begin_again()
    fleet.web1.shell(injection.planted)
    if injection.misdeed:
        fleet.store.ask(injection.misdeed)
    orders, state, old = fleet.orders(), fleet.new_state(), leaf_of(fleet.planted.old)
    with fleet.watching() as watch:
        result = controller.run(state=state, **injection.changes)
        ((kind, step, cause, note),) = result["endings"]
        assert (kind, cause) == (injection.kind, injection.cause), result
        assert not [text for text in injection.named if not re.search(text, note)], (step, note)
        assert (fleet.leaves(), fleet.orders() - orders) == ({old}, injection.orders)
        if injection.then:
            fleet.web1.shell(injection.fixed)
            fleet.store.ask("behave")
            fleet.a_night_passes(state)
            result = controller.run(state=state, root=injection.changes.get("root", "/var/lib/sslaudit"))
            assert [kind for kind, *_ in result["endings"]] == [injection.then], result
        assert watch.saw_no_gap(is_replaced=injection.then == "proven")
    is_repaired = injection.then == "proven"
    assert (fleet.orders() - orders, old in fleet.leaves()) == (max(injection.orders, is_repaired), not is_repaired)


@pytest.mark.parametrize(("step", "ordered"), [("preconditions", 0), ("collect", 1), ("install", 1)])
def test_disk_that_fills_up_before_a_step_changes_nothing(
    fleet: Fleet, controller: Controller, step: str, ordered: int
) -> None:
    fleet.begin_again()
    fleet.web1.shell(_DISK)
    orders, state, old = fleet.orders(), fleet.new_state(), leaf_of(fleet.planted.old)
    with fleet.watching() as watch:
        controller.begin(state=state, root="/full/x", held_at=step, go="/run/held")
        fleet.near.shell(HELD)
        fleet.web1.shell(_FILL)
        fleet.near.shell("rm /run/held")
        ((kind, step, cause, note),) = controller.hear()["endings"]
        assert (kind, cause in ("host.command", "key.request")) == ("failed", True), (step, cause, note)
        assert "the file system of /full/x is full: /full (tmpfs)" in note
        assert (fleet.leaves(), fleet.orders() - orders) == ({old}, ordered)
        fleet.web1.shell("rm /full/ballast")
        fleet.a_night_passes(state)
        result = controller.run(state=state, root="/full/x")
        assert [kind for kind, *_ in result["endings"]] == ["proven"], result
        assert watch.saw_no_gap(is_replaced=True)
    assert fleet.orders() - orders == 1


def test_name_that_also_resolves_to_another_host_is_not_ordered(fleet: Fleet, controller: Controller) -> None:
    fleet.begin_again()
    orders = fleet.orders()
    with running_host("main", "other.example.test") as other:
        connect(fleet.near, other, 7)
        other.shell("setsid python3 -m http.server --bind :: 80 >/dev/null 2>&1 &")
        other.wait_for(80)
        name_hosts(fleet.near, {WEB1: (fleet.address, "fd53:7::2")})
        try:
            ((kind, _, cause, note),) = controller.run(state=fleet.new_state())["endings"]
        finally:
            name_hosts(fleet.near, {WEB1: (fleet.address,)})
    assert (kind, cause, "fd53:7::2" in note) == ("failed", "dcv.wrong-host", True), note
    assert (fleet.orders(), fleet.leaves()) == (orders, {leaf_of(fleet.planted.old)})
