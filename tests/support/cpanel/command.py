"""`checkallsslcerts` on the panel's host, as its administrator has it: configured once, run by hand or by a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pytest_sslaudit.cli.local_server import own_command
from tests.support.checkout import CHECKOUT
from tests.support.cpanel import names
from tests.support.cpanel.environment import Environment
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.pki import Authority

REPORTS: Final = "/var/log/sslaudit"
STATE: Final = "/root/.local/state/sslaudit"
KEPT: Final = "/var/lib/sslaudit"
ETC: Final = "/etc/sslaudit"
ARGV: Final = ("env", "-C", str(CHECKOUT), *own_command("checkallsslcerts"))
_RUN_S: Final = 240.0
_CONFIGURATION: Final = """trust = ["provider.pem", "third-party.pem"]
[probe]
root_hints = "root.hints"
[fetch]
allow_private = true
[remediate]
issuer = "{issuer}"
verify_timeout_s = 20
issuance_timeout_s = 8
[issuer.store]
kind = "store"
base_url = "{base_url}"
token = {{ file = "token" }}
ca_file = "provider.pem"
[issuer.cpanel]
kind = "cpanel"
"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a run ended, what it printed, and the lines of its results."""

    status: int
    output: str
    lines: tuple[dict[str, Any], ...]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of a kind."""
        return [line for line in self.lines if line["kind"] == kind]

    def verdicts(self, check: str) -> dict[str, str]:
        """Return the verdict of a check by endpoint, as it was before anything was repaired."""
        lines = (line for line in self.of("result") if line["check"] == check and line.get("phase") != "after")
        return {line["endpoint"]: line["verdict"] for line in lines}

    def explain(self) -> str:
        """Return what a person needs who sees a test fail."""
        wrong = [line for line in self.of("result") if line["verdict"] not in ("pass", "not-applicable")]
        words = ("verdict", "phase", "endpoint", "check", "message")
        reported = (" ".join(str(one.get(word, "")) for word in words) for one in wrong)
        return "\n".join((f"exit status {self.status}", self.output[-8000:], *reported))


@dataclass(frozen=True, slots=True)
class Command:
    """The command on a host."""

    host: Host

    def configure(self, environment: Environment, third_party: Authority, *, issuer: str = "store") -> None:
        """Write the configuration, which is root's alone."""
        text = _CONFIGURATION.format(issuer=issuer, base_url=environment.access["base_url"])
        files: Mapping[str, str] = {
            "sslaudit.toml": text,
            "provider.pem": environment.authority.root_pem,
            "third-party.pem": third_party.anchor,
            "root.hints": names.root_hints(environment.lan),
            "token": environment.access["token"] + "\n",
        }
        self.host.write(*(HostFile(f"{ETC}/{name}", content, 0o600) for name, content in files.items()))

    def run(self, *options: str) -> Said:
        """Run it to its end."""
        done = self.host.run(*ARGV, *options, timeout_s=_RUN_S)
        return Said(done.returncode, done.stdout + done.stderr, self.results())

    def results(self) -> tuple[dict[str, Any], ...]:
        """Return the lines of the last run's results file."""
        text = self.host.run("cat", f"{REPORTS}/results.jsonl").stdout
        return tuple(json.loads(line) for line in text.splitlines())
