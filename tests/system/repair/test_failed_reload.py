"""Verifications that fail on real web servers: report and email name what was logged, or that no reload was done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hosts.fleet import Fleet, running_fleet
from tests.support.hosts.nightly_repair import FOLDER, Night, prepare, rows
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_TAKE_PORT = r"""
sed -i 's|^http {|& server { listen 8081; }|' /etc/nginx/nginx.conf
setsid python3 -m http.server 8081 >/dev/null 2>&1 &
while ! ss -ltn | grep -q :8081; do sleep 0.02; done
"""
_FREE_PORT = "kill $(pgrep -f 'http.server 808[1]')"
_PARENT = "$(pgrep -o -x apache2)"


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", "apache", over_ssh=False) as running:
        yield running


@pytest.fixture(scope="module")
def night(fleet: Fleet, authority: Authority) -> Night:
    night = prepare(fleet, authority, by_relay=False)
    fleet.near.shell(f"sed -i 's/^verify_timeout_s = .*/verify_timeout_s = 3/' {FOLDER}/sslaudit.toml")
    return night


@pytest.mark.parametrize(
    ("service", "fault", "after", "cause", "words", "advice"),
    [
        ("nginx", _TAKE_PORT, _FREE_PORT, "proof.logged",
         ("nginx has logged since the reload: ", "bind() to 0.0.0.0:8081 failed (98: ", "no worker of nginx is newer"),
         "What to do: fix what the service logged at its reload"),
        ("apache", f"kill -STOP {_PARENT}", f"kill -CONT {_PARENT}", "proof.not-reloaded",
         ("no worker of apache is newer than the reload: the reload had no effect",),
         "What to do: find out why the service did not follow its reload"),
    ],
    ids=["nginx cannot listen", "apache hangs"],
)  # fmt: skip
def test_failed_verification_is_explained_by_log_and_processes(
    fleet: Fleet, night: Night, service: str, fault: str, after: str, cause: str, words: tuple[str, ...], advice: str
) -> None:
    fleet.begin_again()
    fleet.web1.shell(fault)
    try:
        run = night.run(f"--audit-state=/run/state-{service}")
    finally:
        fleet.web1.shell(after)
    assert run.status == 1
    assert {row["cause"] for row in rows(run, "remediation")} == {cause}, run.explain()
    body = night.emails()[-1].get_body(("plain",))
    assert body is not None
    for text in (run.output, body.get_content()):
        assert [word for word in words if word not in " ".join(text.split())] == [], text
    assert advice in " ".join(body.get_content().split())
