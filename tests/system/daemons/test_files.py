"""Findings on files of real hosts: replaced and not reloaded, missing, mismatched, readable by other users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hosts.daemons import Daemon
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, daemons_of, running_lab, sound

pytestmark = pytest.mark.system

WEB1 = NAMES["main"].main
MAIN = f"{WEB1}/https://{WEB1}:443"
SECOND = f"{WEB1}/https://{NAMES['main'].second}:443"


@pytest.fixture
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        yield running


@pytest.fixture
def whole_lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), *NAMES) as running:
        yield running


def replace_everything(lab: Lab, overlay: str) -> None:
    """Renew every certificate of a host on disk, with new keys, and reload nothing."""
    names = NAMES[overlay]
    for daemon in daemons_of(overlay):
        lab.hosts[overlay].write(*daemon.files(lab.authority.issue(names.main), lab.authority.issue(names.second)))


def test_certificate_replaced_without_a_reload_is_a_finding(whole_lab: Lab) -> None:
    for overlay, names in NAMES.items():
        if overlay == "second":  # an idle smtpd of postfix keeps the old certificate: let there be one for each port
            whole_lab.audit(f"--hosts=ssh://root@{names.main}")
        replace_everything(whole_lab, overlay)
    run = whole_lab.audit("--hosts=" + ",".join(f"ssh://root@{names.main}" for names in NAMES.values()))
    stale = {endpoint for endpoint, check in run.with_verdict("fail") if check == "svc.disk-vs-wire"}
    daemons = [daemon for overlay in NAMES for daemon in daemons_of(overlay)]
    assert {run.observed(endpoint)["service"] for endpoint in stale} == {
        daemon.service for daemon in daemons if daemon.reload
    }, run.explain()
    # a new smtpd of postfix may serve a later connection of the audit: its endpoints may show both certificates in turn
    in_turn = {endpoint for endpoint, check in run.with_verdict("fail") if check == "svc.multi-address"}
    assert {run.observed(endpoint)["service"] for endpoint in in_turn} <= {"postfix"}, run.explain()
    checks = {check for _, check in run.with_verdict("fail", "error")}
    assert checks - {"svc.multi-address"} == {"svc.disk-vs-wire"}, run.explain()
    for endpoint in stale:
        assert run.result(endpoint, "svc.disk-vs-wire")["remedy"] == "reload"


def test_key_of_another_certificate_is_a_finding_before_the_reload(lab: Lab) -> None:
    names = NAMES["main"]
    nginx = daemon_called("nginx")
    current = lab.authority.issue(names.main)
    lab.hosts["main"].write(*nginx.files(current.with_key_of(lab.authority.issue(names.main)), current))
    run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    assert run.verdict(MAIN, "key.mismatch")[0] == "fail", run.explain()
    assert "/etc/ssl/nginx/main.key" in run.verdict(MAIN, "key.mismatch")[1]


def test_key_that_other_users_can_read_is_a_finding(lab: Lab) -> None:
    lab.hosts["main"].shell("chmod 644 /etc/ssl/nginx/second.key")
    run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    assert run.with_verdict("fail") == {(SECOND, "key.permissions")}, run.explain()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("rm main.key", "does not exist"),
        ("rm main.key; mkdir main.key", "is a directory"),
        ("echo not a key > main.key", "cannot be parsed"),
        (": > main.key", "is empty"),
    ],
)
def test_file_missing_at_the_next_start_is_a_finding(lab: Lab, change: str, said: str) -> None:
    lab.hosts["main"].shell(f"cd /etc/ssl/nginx; {change}")
    run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    verdict, message = run.verdict(MAIN, "svc.config-missing-file")
    assert (verdict, said in message) == ("fail", True), run.explain()
    assert run.verdict(MAIN, "cert.expired")[0] == "pass", run.explain()


def test_encrypted_key_is_inconclusive_without_a_passphrase_prompt(lab: Lab) -> None:
    lab.hosts["main"].shell(
        "cd /etc/ssl/nginx; openssl pkey -in main.key -aes128 -passout pass:secret -out new; mv new main.key"
    )
    run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    assert run.verdict(MAIN, "key.mismatch")[0] == "inconclusive", run.explain()


def test_invalid_configuration_is_reported_and_the_rest_is_audited(lab: Lab) -> None:
    lab.hosts["main"].shell("echo 'server {' >> /etc/nginx/nginx.conf")
    run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    assert "nginx" in run.output, run.explain()
    assert run.status == 1, run.explain()
    assert run.verdict(f"{WEB1}/imaps://{WEB1}:993", "cert.expired")[0] == "pass"


def daemon_called(name: str) -> Daemon:
    return next(daemon for daemon in daemons_of("main") if daemon.name == name)
