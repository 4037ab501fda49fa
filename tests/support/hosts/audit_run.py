"""The audit, run as a person runs it: pytest in a process of its own on a host of the lab, and what it left.

It judges nothing; a test asks what the run said.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.hosts.host import Host, HostFile

ANCHOR: Final = "/root/anchor.pem"
TEMPORARY: Final = "/run/audit"
"""The directory of an audit and its temporary files: all hosts have the /tmp of this machine."""
_RESULTS: Final = f"{TEMPORARY}/results.jsonl"
_RUN_S: Final = 240.0  # some ten seconds; a busy machine may take many times as long


@dataclass(frozen=True, slots=True)
class AuditRun:
    """How an audit ended, what it printed, and the lines of its results file."""

    status: int
    output: str
    lines: tuple[dict[str, Any], ...]

    @property
    def results(self) -> list[dict[str, Any]]:
        """The verdicts, one a check and endpoint."""
        return [line for line in self.lines if line["kind"] == "result"]

    @property
    def endpoints(self) -> set[str]:
        """The endpoints that were observed; hosts as a whole left out."""
        ids = {line["endpoint"] for line in self.lines if line["kind"] == "observation"}
        return {endpoint for endpoint in ids if not endpoint.endswith("/")}

    def observed(self, endpoint: str) -> dict[str, Any]:
        """Return what was seen of one endpoint."""
        (line,) = (line for line in self.lines if line["kind"] == "observation" and line["endpoint"] == endpoint)
        return line

    def result(self, endpoint: str, check: str) -> dict[str, Any]:
        """Return the result of one check at one endpoint."""
        (line,) = (line for line in self.results if (line["endpoint"], line["check"]) == (endpoint, check))
        return line

    def verdict(self, endpoint: str, check: str) -> tuple[str, str]:
        """Return verdict and message of one check at one endpoint."""
        line = self.result(endpoint, check)
        return line["verdict"], line["message"]

    def with_verdict(self, *verdicts: str) -> set[tuple[str, str]]:
        """Return endpoint and check of every result with one of these verdicts."""
        return {(line["endpoint"], line["check"]) for line in self.results if line["verdict"] in verdicts}

    def explain(self) -> str:
        """Return what a person needs who sees a test fail: all that is not well, and the end of the output."""
        wrong = [line for line in self.results if line["verdict"] not in ("pass", "not-applicable")]
        reported = [f"{line['verdict']} {line['endpoint']} {line['check']}: {line['message']}" for line in wrong]
        return "\n".join([f"exit status {self.status}", *reported, self.output[-6000:]])


def command(*arguments: str) -> Sequence[str]:
    """Return the command line of an audit that writes its results."""
    begin = f"mkdir -p {TEMPORARY}; cd {TEMPORARY}; rm -f results.jsonl; echo $$ > pid"
    script = f'{begin}; export TMPDIR={TEMPORARY}; exec "$@"'
    pytest = (sys.executable, "-m", "pytest", "--pyargs", "audit", "-p", "no:cacheprovider")
    return ("sh", "-euc", script, "sh", *pytest, f"--audit-results={_RESULTS}", *arguments)


def interrupt(host: Host, signal: str) -> None:
    """Send a signal to the audit that runs on a host."""
    host.shell(f"kill -{signal} $(cat /run/audit/pid)")


def audit(host: Host, *arguments: str) -> AuditRun:
    """Run an audit to its end."""
    done = host.run(*command(*arguments), timeout_s=_RUN_S)
    return AuditRun(done.returncode, done.stdout + done.stderr, results_of(host))


def results_of(host: Host) -> tuple[dict[str, Any], ...]:
    """Return the lines of the last run's results file; none where there is no file."""
    text = host.run("cat", _RESULTS).stdout
    return tuple(json.loads(line) for line in text.splitlines())


def trust(host: Host, anchor: str) -> str:
    """Put a trust anchor on the auditing host; return the argument that names it."""
    host.write(HostFile(ANCHOR, anchor))
    return f"--audit-trust={ANCHOR}"
