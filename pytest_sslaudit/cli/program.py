"""`sslaudit`: the program of the product beside pytest. Each command is a subparser that names its function."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from audit.config import BadConfiguration, Configuration, extension_services, read_configuration
from audit.config.arguments import USAGE_ERROR, Parser
from audit.config.ct_logs import install_ct_logs
from audit.host.collector import PATH, collector_text
from pytest_sslaudit.cli.timer import add_timer
from pytest_sslaudit.cli.timer_files import Machine

PROGRAM: Final = "sslaudit"
REPAIR: Final = "repair"
_COLLECTOR: Final = f"""\
Print one program without arguments that makes all observations of an audit on a host. Write it to {PATH} as
root (owner root, mode 0755), allow a login to run it with a line in sudoers, LOGIN ALL=(root) NOPASSWD: {PATH} "",
and set collector = "{PATH}" in [host."GLOB"] of the configuration file."""

_UPDATE_CT_LOGS: Final = """\
Check a list of certificate transparency logs in version 3 of Chrome's format, and install it as the file that
log_list in [ct] of the configuration names. Download it from https://www.gstatic.com/ct/log_list/v3/log_list.json."""


def main(arguments: Sequence[str] | None = None, machine: Machine | None = None) -> int:
    """Run one command and return its exit status. `machine` is the machine for a timer."""
    words = tuple(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == (REPAIR,):  # the whole command line of `python -m remediate`, help included
        return _repair(words[1:])
    options = _parser(machine or Machine()).parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _parser(machine: Machine) -> Parser:
    parser = Parser(PROGRAM, description="Schedule audits and run repairs.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version('pytest-sslaudit')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_timer(commands, machine)
    commands.add_parser(REPAIR, add_help=False, help="plan, apply, resume, roll back or release repairs")
    _add_collector(commands)
    _add_update_ct_logs(commands)
    return parser


def _repair(arguments: Sequence[str]) -> int:
    """Do what `python -m remediate` does with these arguments."""
    from remediate.cli.main import main as repair  # noqa: PLC0415 - the other commands do not load the repair

    return repair(arguments, f"{PROGRAM} {REPAIR}")


def _add_collector(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "collector", allow_abbrev=False, description=_COLLECTOR, help="print the program for logins without root"
    )
    parser.add_argument("--print", action="store_true", required=True, help="print the program to standard output")
    parser.add_argument("--config", metavar="FILE", help="a configuration file whose [extensions] name services")
    parser.set_defaults(run=_print_collector)


def _print_collector(options: argparse.Namespace) -> int:
    try:
        configuration = read_configuration(Path.cwd(), options.config) if options.config else Configuration()
        sys.stdout.write(collector_text(extension_services(configuration)))
    except BadConfiguration as error:
        sys.stderr.write(f"{PROGRAM} collector: {error}\n")
        return USAGE_ERROR
    return 0


def _add_update_ct_logs(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "update-ct-logs", allow_abbrev=False, description=_UPDATE_CT_LOGS, help="check and install a list of CT logs"
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the downloaded list")
    parser.add_argument("--config", metavar="FILE", help="the configuration file, if not the one in this folder")
    parser.set_defaults(run=_update_ct_logs)


def _update_ct_logs(options: argparse.Namespace) -> int:
    try:
        logs, place = install_ct_logs(options.file, read_configuration(Path.cwd(), options.config))
    except BadConfiguration as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return USAGE_ERROR
    operators = len({log.operator for log in logs.logs.values()})
    sys.stdout.write(f"{place}: {logs} with {len(logs.logs)} logs of {operators} operators is installed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
