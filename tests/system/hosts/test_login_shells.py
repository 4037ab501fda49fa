"""Logins of a real sshd and a real sudo: csh is audited, and what runs no command has a sentence of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts import audit_run as auditing
from tests.support.hosts import ssh_login as login
from tests.support.hosts.host import Host, connect, name_hosts, running_host
from tests.support.hosts.overlay import NEEDED

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif("logins" not in NEEDED, reason="make test-matrix PART=hosts"),
]

WEB1: Final = "web1.example.test"
ACCOUNTS: Final = r"""
useradd --create-home --shell /bin/tcsh inc
useradd --create-home --shell /usr/sbin/nologin closed
useradd --create-home --shell /bin/false false
useradd --create-home --shell /bin/sh terminal
for user in inc closed false terminal; do usermod --password '*' "$user"; done
printf '%s ALL=(ALL) NOPASSWD: ALL\n' inc terminal >/etc/sudoers.d/logins
echo 'Defaults:terminal requiretty' >>/etc/sudoers.d/logins
chmod 440 /etc/sudoers.d/logins
visudo --check --quiet
"""


@pytest.fixture(scope="module")
def auditor(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - overlays skips or fails first
    """Run the host that audits, and one that it can log in to with accounts of several kinds."""
    with running_host("main", "auditor.example.test") as near, running_host("logins", WEB1) as web1:
        public_key = login.make_key(near)
        address = connect(near, web1, 1)
        name_hosts(near, {WEB1: (address,), "auditor.example.test": ("127.0.1.1",)})
        login.admit(web1, public_key)
        web1.shell(ACCOUNTS)
        login.know(near, web1)
        yield near


@pytest.mark.parametrize("options", [(), ("--sudo",)], ids=["plain", "sudo"])
def test_login_with_csh_is_audited(auditor: Host, options: tuple[str, ...]) -> None:
    run = auditing.audit(auditor, f"--hosts=ssh://inc@{WEB1}", *options)
    assert run.status == 0, run.explain()
    assert run.observed(f"{WEB1}/")["login"] == ("root" if options else "inc")


@pytest.mark.parametrize(
    ("user", "options", "sentence"),
    [
        ("closed", (), "the account of this login is closed (its shell is nologin, or it has expired)"),
        ("false", (), "the login ended with 1 before any command ran: its shell may be /bin/false"),
        ("terminal", ("--sudo",), "sudo requires a terminal (requiretty): add 'Defaults:LOGIN !requiretty' to sudoers"),
    ],
)
def test_login_that_runs_no_command_has_a_sentence_of_its_own(
    auditor: Host, user: str, options: tuple[str, ...], sentence: str
) -> None:
    run = auditing.audit(auditor, f"--hosts=ssh://{user}@{WEB1}", *options)
    verdict, message = run.verdict(f"{WEB1}/", "svc.unreachable")
    assert (verdict, run.status) == ("inconclusive", 1), run.explain()
    assert sentence in message
    assert sentence in " ".join(run.output.split())
