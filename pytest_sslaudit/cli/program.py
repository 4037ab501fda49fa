"""`sslaudit`: the one program of the product beside pytest. Each command is a subparser that names what runs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Final

from audit.config.arguments import Parser
from pytest_sslaudit.cli.collector import add_collector
from pytest_sslaudit.cli.repair import REPAIR, add_repair, repair
from pytest_sslaudit.cli.timer import add_timer
from pytest_sslaudit.cli.timer_files import Machine

PROGRAM: Final = "sslaudit"


def main(arguments: Sequence[str] | None = None, machine: Machine | None = None) -> int:
    """Run one command and return its exit status. `machine` is where a timer is installed."""
    words = tuple(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == (REPAIR,):  # the whole command line of `python -m remediate`, help included
        return repair(words[1:], f"{PROGRAM} {REPAIR}")
    options = _parser(machine or Machine()).parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _parser(machine: Machine) -> Parser:
    parser = Parser(PROGRAM, description="Schedule audits and run repairs.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version('pytest-sslaudit')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_timer(commands, machine)
    add_repair(commands)
    add_collector(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
