"""`sslaudit collector`: prints the program that a login without other rights runs as root for an audit."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from audit.host.collector import PATH, collector_text

_DESCRIPTION: Final = f"""\
Print one program without arguments that makes all observations of an audit on a host. Write it to {PATH} as
root (owner root, mode 0755), allow a login to run it with a line in sudoers, LOGIN ALL=(root) NOPASSWD: {PATH} "",
and set collector = "{PATH}" in [host."GLOB"] of the configuration file."""


def add_collector(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the program."""
    parser = commands.add_parser(
        "collector", allow_abbrev=False, description=_DESCRIPTION, help="print the program for logins without root"
    )
    parser.add_argument("--print", action="store_true", required=True, help="print the program to standard output")
    parser.set_defaults(run=_print)


def _print(options: argparse.Namespace) -> int:
    del options
    sys.stdout.write(collector_text())
    return 0
