"""What an audit sees on a host without root, check by check, and what membership in a group adds (docs/security.md)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.repository.test_docs import text
from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, running_lab, sound

pytestmark = pytest.mark.system

WEB1 = NAMES["main"].main
AS_ON_DEBIAN = """
find /etc/ssl /etc/dovecot -type f -group root \\( -name '*.key' -o -path '*haproxy/*' -o -name pure-ftpd.pem \\) \\
    -exec chgrp ssl-cert {} + -exec chmod 640 {} +
chgrp ssl-cert /etc/ssl/private; chmod 710 /etc/ssl/private
"""
"""Root's keys are those of the group, which may read them; exim's key stays that of its own user."""


@pytest.fixture(scope="module")
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        yield running


@pytest.fixture(scope="module")
def as_root(lab: Lab) -> AuditRun:
    """Audit by a login of root's."""
    return lab.audit(f"--hosts=ssh://root@{WEB1}")


def less_than(run: AuditRun, other: AuditRun) -> set[str]:
    """Return the checks that are inconclusive in one run, and were not in another."""
    before = {(one["endpoint"], one["check"]): one["verdict"] for one in other.results}
    assert run.endpoints == other.endpoints
    assert len(run.results) == len(other.results)
    differing = [one for one in run.results if one["verdict"] != before[(one["endpoint"], one["check"])]]
    assert {one["verdict"] for one in differing} <= {"inconclusive"}, run.explain()
    return {one["check"] for one in differing}


def in_groups(lab: Lab, *groups: str) -> AuditRun:
    """Audit by a login of a user who is in these groups alone."""
    host = lab.hosts["main"]
    host.shell(f"groupadd -f ssl-cert; usermod -G '{','.join(groups)}' plain")
    return lab.audit(f"--hosts=ssh://plain@{WEB1}")


def documented(row: str) -> set[str]:
    """Return the checks that a row of the documentation's table names."""
    (line,) = (line for line in text("docs/security.md").splitlines() if line.startswith(f"| {row} |"))
    return {word for word in line.split("`") if "." in word and " " not in word}


def test_login_without_rights_lacks_the_documented_checks(lab: Lab, as_root: AuditRun) -> None:
    assert less_than(in_groups(lab), as_root) == documented("no group")


def test_membership_in_adm_adds_no_check(lab: Lab, as_root: AuditRun) -> None:
    assert less_than(in_groups(lab, "adm"), as_root) == documented("`adm`")


def test_membership_in_the_group_of_the_keys_adds_the_documented_checks(lab: Lab, as_root: AuditRun) -> None:
    lab.hosts["main"].shell(AS_ON_DEBIAN)
    run = in_groups(lab, "ssl-cert")
    keys = {"key.mismatch", "key.permissions", "svc.config-missing-file", "svc.disk-vs-wire"}
    unread = {one for one in run.with_verdict("inconclusive") if one[1] in keys}
    assert {run.observed(endpoint)["service"] for endpoint, _ in unread} <= {"exim"}, run.explain()
    assert less_than(run, as_root) - keys == documented("`ssl-cert`")
