"""`python -m remediate`: what would be repaired by an audit's results, and where the repairs stand.

Nothing is changed by either. It reads the clock and the arguments, and decides nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from audit.record import to_json
from remediate.bounds import Bounds
from remediate.database import UnusableState
from remediate.evidence import BadEvidence, read_evidence
from remediate.journal import open_journal
from remediate.plan import plan
from remediate.show import plan_lines, status_lines

USAGE_ERROR: Final = 4  # as pytest's


class _Parser(argparse.ArgumentParser):
    """A parser whose usage errors end as pytest's do."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked and return the exit status."""
    options = _parser().parse_args(arguments)
    now = datetime.now(UTC)
    try:
        lines = _planned(options, now) if options.command == "plan" else _status(options, now)
    except (BadEvidence, UnusableState, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"remediate {options.command}: {error}\n")
        return USAGE_ERROR
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _parser() -> _Parser:
    parser = _Parser(prog="python -m remediate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    planning = commands.add_parser("plan", help="print what the results of an audit call for; change nothing")
    planning.add_argument("results", type=Path, help="the file that --audit-results wrote")
    planning.add_argument("--json", action="store_true", help="print one JSON object")
    status = commands.add_parser("status", help="print the repairs that have not ended")
    status.add_argument("--state", type=Path, required=True, help="the state folder")
    return parser


def _planned(options: argparse.Namespace, now: datetime) -> Iterable[str]:
    with options.results.open(encoding="utf-8") as lines:
        made = plan(read_evidence(lines), Bounds(), now)
    return [json.dumps(to_json(made), indent=2)] if options.json else plan_lines(made)


def _status(options: argparse.Namespace, now: datetime) -> Iterable[str]:
    with open_journal(options.state, existing=True) as journal:
        return list(status_lines(journal, now))


if __name__ == "__main__":
    sys.exit(main())
