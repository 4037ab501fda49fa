"""One run of repairs from a configuration and an audit's results, as a process: how each case ended, what was said.

`python -m tests.support.hosts.twin_repair CONFIGURATION RESULTS STATE`
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from audit.config import logins, read_anchors, read_configuration
from audit.host.discovery import discover
from remediate.execution.scheduler import repair
from remediate.model.audit_results import read_audit_results
from remediate.model.options import RunOptions
from remediate.planning.planner import plan
from remediate.state.journal import open_journal
from remediate.wiring.run_context import run_context


def main(configured: str, results: str, state: str) -> None:
    """Do one run."""
    configuration, result = read_configuration(Path(), configured), list[str]()
    trust = read_anchors(configuration.trust)
    options = RunOptions(configuration, Path(state), trust, "a test", log=result.append)
    found = discover(logins(configuration.hosts, configuration, {}), clock=lambda: datetime.now(UTC))
    planned = plan(read_audit_results(Path(results).read_text().splitlines()), options.run_limits, datetime.now(UTC))
    with open_journal(options.state) as journal:
        endings = repair(planned.cases, run_context(options, journal, found), options.concurrency)
        notes = [[event.note for event in journal.events(one.case.id) if event.step == "self-test"] for one in endings]
    json.dump(
        {
            "waiting": [[blocker.text for blocker in one.blocked_by] for one in planned.waiting],
            "validated_on": [[[one.name, one.hosts] for one in ending.case.validated_on] for ending in endings],
            "endings": [[one.case.host, one.ended_as, one.step, one.cause or "", one.note] for one in endings],
            "notes": [lines[-1] for lines in notes if lines],
            "said": result,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
