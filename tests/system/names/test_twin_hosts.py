"""One name on two hosts: proven to the CA on both, at the addresses that the root servers lead to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts.pki import Authority
from tests.support.hosts.twin_hosts import SHARED, Twins, running_twins

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

HOSTS: Final = ["web1.example.test", "web2.example.test"]
WEB1, WEB2 = "198.18.21.2", "198.18.22.2"
_DENY: Final = "chmod 700 /var/www/html"  # which nginx runs into as www-data


@pytest.fixture
def twins(authority: Authority) -> Iterator[Twins]:
    with running_twins(authority) as running:
        yield running


def expired(twins: Twins) -> set[str]:
    """Return where an audit finds an expired certificate."""
    return {endpoint for endpoint, check in twins.audit().with_verdict("fail") if check == "cert.expired"}


def test_token_is_placed_on_both_hosts_whatever_the_system_resolves(twins: Twins) -> None:
    assert expired(twins) == {f"{host}/https://{SHARED}:443" for host in HOSTS}
    twins.system_says(WEB1, "10.0.0.7")
    result = twins.repair()
    assert sorted(ending[:2] for ending in result["endings"]) == [[host, "proven"] for host in HOSTS], result
    assert result["validated_on"] == 2 * [[[SHARED, HOSTS]]]
    reported = f"{SHARED}: only the authoritative servers gave {WEB2}; only the resolver gave 10.0.0.7"
    assert result["notes"] == 2 * [f"the file was found at every address; {reported}"]
    lines = "\n".join(result["said"]).splitlines()
    for address in (WEB1, WEB2):
        assert lines.count(f";; {SHARED} has address {address}") == 2
        assert lines.count(f"{SHARED} at {address}: good: as written") == 2
    assert (twins.orders(), twins.files()) == (2, [])
    twins.system_says()
    assert expired(twins) == set()


def test_nothing_is_ordered_if_one_host_denies_the_token(twins: Twins) -> None:
    expired(twins)
    twins.webs[1].shell(_DENY)
    result = twins.repair()
    (_, kind, step, cause, note), waiting = result["endings"]
    assert (kind, step, cause) == ("failed", "self-test", "dcv.forbidden"), note
    assert f"{SHARED} at {WEB2}: forbidden: the server denies it with 403" in note
    assert f"at {WEB2}: 403 by nginx/" in note
    assert f"at {WEB1}" not in note
    assert waiting[1:4] == ["waiting", "", "run.canary"]
    assert (twins.orders(), twins.files()) == (0, [])
