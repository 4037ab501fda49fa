"""`sslaudit repair`: the commands of `python -m remediate`, under the name of the one program."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

REPAIR: Final = "repair"


def add_repair(commands: argparse._SubParsersAction[Any]) -> None:
    """List the command in the help of the program, which passes its words to `repair` unread."""
    commands.add_parser(REPAIR, add_help=False, help="plan, apply, resume, take back or release repairs")


def repair(arguments: Sequence[str], program: str) -> int:
    """Do what `python -m remediate` does with these words; `program` is how the user calls it."""
    from remediate.cli.main import main  # noqa: PLC0415 - the timer's commands start without the repair's libraries

    return main(arguments, program)
