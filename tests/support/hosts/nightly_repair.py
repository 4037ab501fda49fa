"""The nightly repair as an administrator has it: pytest with a configuration file, and mail by way of a real exim."""

from __future__ import annotations

import email
import json
import sys
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final

from tests.support.checkout import CHECKOUT
from tests.support.hosts import exim_relay
from tests.support.hosts.audit_run import ANCHOR, AuditRun
from tests.support.hosts.fleet import STORE, Fleet
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.pki import Authority

FOLDER: Final = "/run/nightly"
MAILBOX: Final = "/var/mailbox"
READER: Final = "admin@example.test"
PASSWORD: Final = "a-password-that-is-hard-to-guess"
RELAY: Final = "auditor.example.test"
_RUN_S: Final = 480.0
_CONFIGURATION: Final = """hosts = ["{hostspec}"]
trust = ["{anchor}", "{store}/store-root.pem"]
results = "results.jsonl"
state = "state"
inconclusive = "report"
[issuer.store]
kind = "store"
base_url = "{base_url}"
token = {{ file = "token" }}
product = "199-day"
[remediate]
issuer = "store"
verify_timeout_s = 20
[mail]
to = ["{reader}"]
from = "sslaudit@example.test"
{smtp}
"""
_BY_RELAY: Final = f"""smtp = "smtp://{RELAY}"
user = "sslaudit"
password = {{ file = "password" }}
ca_file = "{ANCHOR}"
"""


@dataclass(frozen=True, slots=True)
class Night:
    """The host where the repair is started every night."""

    near: Host

    def run(self, *arguments: str, mode: str = "--remediate") -> AuditRun:
        """Run it as a user's cron job does; what it prints is kept beside its reports."""
        script = 'cd "$1"; shift; "$@" >stdout 2>stderr; status=$?; cat stdout stderr; exit $status'
        pytest = (sys.executable, "-m", "pytest", "--pyargs", "audit", "-p", "no:cacheprovider")
        options = ("--audit-config=sslaudit.toml", mode, "--junitxml=junit.xml", "--html=report.html")
        argv = (*pytest, *options, *arguments)
        done = self.near.run("sh", "-uc", script, "sh", FOLDER, *argv, timeout_s=_RUN_S)
        lines = self.near.run("cat", f"{FOLDER}/results.jsonl").stdout.splitlines()
        return AuditRun(done.returncode, done.stdout, tuple(json.loads(line) for line in lines))

    def emails(self) -> list[EmailMessage]:
        """Return the emails that have arrived, in their order."""
        count = len(self.near.shell(f"ls {MAILBOX} 2>/dev/null || :").split())
        return [self._letter(number) for number in range(1, count + 1)]

    def _letter(self, number: int) -> EmailMessage:
        return email.message_from_bytes(self.near.read(f"{MAILBOX}/{number}.eml").encode(), policy=SMTP)


def prepare(fleet: Fleet, authority: Authority, *, by_relay: bool) -> Night:
    """Configure the nightly repair of a host, and serve its mail: by a real exim with a login, or into a mailbox."""
    near, smtp = fleet.near, _BY_RELAY if by_relay else 'smtp = "smtp://127.0.0.1:10026"'
    access = {"hostspec": fleet.hostspec, "base_url": fleet.access["base_url"], "reader": READER, "smtp": smtp}
    near.write(
        HostFile(f"{FOLDER}/sslaudit.toml", _CONFIGURATION.format(anchor=ANCHOR, store=STORE, **access)),
        HostFile(f"{FOLDER}/token", fleet.access["token"] + "\n", 0o600),
        HostFile(f"{FOLDER}/password", PASSWORD + "\n", 0o600),
    )
    near.shell(f"cd {CHECKOUT}; {sys.executable} -m tests.support.notify.smtp_sink 10026 {MAILBOX} >/dev/null 2>&1 &")
    near.wait_for(10026)
    if by_relay:
        near.write(
            HostFile(exim_relay.FILE, exim_relay.relay(RELAY, PASSWORD, files="/etc/ssl/relay")),
            *authority.issue(RELAY).at("/etc/ssl/relay", group="Debian-exim", mode=0o640),
        )
        near.shell("exim4 -bd -q1m")
        near.wait_for(587)
    return Night(near)


def rows(run: AuditRun, kind: str) -> list[dict[str, Any]]:
    """Return the lines of a kind of a run's results file."""
    return [line for line in run.lines if line["kind"] == kind]
