"""A host that audits and repairs itself by the command line, as its administrator would.

It plants nothing and judges nothing: what is wrong, and what is right, a test says.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, Final

from tests.support.checkout import CHECKOUT
from tests.support.hosts import audit_run as auditing
from tests.support.hosts.host import Host, HostFile

FOLDER: Final = "/run/audit"
_CONFIGURED: Final = f"{FOLDER}/sslaudit.toml"
_STATE: Final = "/run/state"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it printed."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Commanded:
    """The host and what its configuration says beside trust."""

    host: Host
    trusted: tuple[str, ...] = (auditing.ANCHOR,)

    def configure(self, text: str) -> None:
        """Write the configuration."""
        trust = f"trust = {json.dumps(self.trusted)}\n"
        self.host.write(HostFile(_CONFIGURED, trust + text))

    def audit(self) -> auditing.AuditRun:
        """Audit the host."""
        return auditing.audit(self.host, "--hosts=local://", f"--audit-config={_CONFIGURED}")

    def plan(self) -> Any:  # noqa: ANN401 - any JSON
        """Audit, and return what would be repaired."""
        self.audit()
        printed = self._do("plan", "--json", f"{FOLDER}/results.jsonl").output
        self.host.write(HostFile(f"{FOLDER}/plan.json", printed))
        return json.loads(printed)

    def apply(self) -> Said:
        """Repair what was planned last."""
        return self._do("apply", f"--state={_STATE}", f"{FOLDER}/plan.json")

    def roll_back(self, case_id: str) -> Said:
        """Go back to what was there before a case."""
        return self._do("rollback", f"--state={_STATE}", case_id)

    def _do(self, command: str, *arguments: str) -> Said:
        argv = (sys.executable, "-m", "remediate", command, f"--config={_CONFIGURED}", *arguments)
        done = self.host.run("env", "-C", str(CHECKOUT), *argv, timeout_s=300.0)
        return Said(done.returncode, done.stdout + done.stderr)
