"""The client that watches services during a switch excuses what two renames cause, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hosts.fleet import Fleet, running_fleet
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_MOVE = "mkdir -p /var/lib/sslaudit/case/files; echo '1 1 switching ' >/var/lib/sslaudit/case/files/state"
"""A record after which the client looks as often as it can."""
_REPLACE = "cd /etc/ssl/exim/new; mv main.crt ..; sleep {between_s}; mv main.key .."
_END = "kill $(pidof exim4); while pidof exim4; do sleep 0.02; done; touch /etc/ssl/exim/main.crt"


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", "exim", over_ssh=False) as running:
        yield running


def leaves_seen(fleet: Fleet, script: str) -> set[int]:
    """Return how many leaves the ports of exim served while a script ran."""
    fleet.web1.shell(_MOVE)
    with fleet.watching(465, 25) as watch:
        fleet.web1.shell(script)
        return {len(set(answers)) for answers in watch.saw_no_failure().values()}


@pytest.fixture
def prepared(fleet: Fleet, authority: Authority) -> Fleet:
    """Prepare another certificate and its key in a directory below that of exim's."""
    new = authority.issue(fleet.planted.names.main)
    fleet.web1.write(*new.at("/etc/ssl/exim/new/main", group="Debian-exim", mode=0o640))
    return fleet


def test_failure_between_two_renames_is_excused(prepared: Fleet) -> None:
    assert leaves_seen(prepared, _REPLACE.format(between_s=1)) == {2}


def test_failure_that_lasts_is_not_excused(prepared: Fleet) -> None:
    with pytest.raises(AssertionError, match=r"'replaced: .*'failed: "):
        leaves_seen(prepared, _REPLACE.format(between_s=6))


def test_refused_connection_is_not_excused_when_files_change(fleet: Fleet) -> None:
    with pytest.raises(AssertionError, match="'failed: ConnectionRefusedError"):
        leaves_seen(fleet, _END)
