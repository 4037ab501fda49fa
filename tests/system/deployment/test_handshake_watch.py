"""The client that watches services during a switch excuses what two renames cause, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hosts.fleet import Fleet, running_fleet
from tests.support.hosts.handshake_watch import Pair, Renames
from tests.support.hosts.pki import Authority, Credential

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_MOVE = "mkdir -p /var/lib/sslaudit/case/files; echo '1 1 switching ' >/var/lib/sslaudit/case/files/state"
"""A record after which the client looks as often as it can."""
_REPLACE = "cd /etc/ssl/exim/new; mv main.crt ..; sleep {between_s}; mv main.key .."
_END = "kill $(pidof exim4); while pidof exim4; do sleep 0.02; done; touch /etc/ssl/exim/main.crt"


_FAILURE = "failed: SSLEOFError: the server is gone"


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
    with pytest.raises(AssertionError, match=r"'replaced: .*'failed: \w+Error: .* for too long"):
        leaves_seen(prepared, _REPLACE.format(between_s=10))


def test_refused_connection_is_not_excused_when_files_change(fleet: Fleet) -> None:
    with pytest.raises(AssertionError, match="'failed: ConnectionRefusedError"):
        leaves_seen(fleet, _END)


@pytest.mark.parametrize(("looks", "is_excused"), [(1, True), (50, True), (51, False)])
def test_machine_that_stands_still_between_two_renames_is_excused(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, tmp_path: Path, looks: int, *, is_excused: bool
) -> None:
    hours = itertools.count(0, 3600)
    monkeypatch.setattr("tests.support.hosts.handshake_watch.time.monotonic", lambda: next(hours))
    mismatched = authority.issue("a.example.test").with_key_of(authority.issue("a.example.test"))
    renames = Renames(written(tmp_path, mismatched))
    *_, last = [renames.judged(lambda: _FAILURE) for _ in range(looks)]
    assert last.startswith("replaced: ") == is_excused


def test_failure_while_the_key_matches_is_not_excused(authority: Authority, tmp_path: Path) -> None:
    renames = Renames(written(tmp_path, authority.issue("a.example.test")))
    assert renames.judged(lambda: _FAILURE) == f"{_FAILURE} although the key matches the certificate"


def written(folder: Path, credential: Credential) -> Pair:
    """Return the files of a certificate and its key."""
    pair = Pair(folder / "main.crt", folder / "main.key")
    pair.certificate.write_text(credential.fullchain)
    pair.key.write_text(credential.key)
    return pair
