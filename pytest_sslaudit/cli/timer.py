"""`sslaudit install-timer | remove-timer | timer-status`: runs `checkallsslcerts` on this server every night.

Module `timer_units` has the texts of the files; `timer_files` writes and removes them.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from audit.config import BadConfiguration
from audit.config.arguments import USAGE_ERROR, Parser
from pytest_sslaudit.cli.local_server import find_configuration, own_command
from pytest_sslaudit.cli.timer_files import Machine, Refused
from pytest_sslaudit.cli.timer_units import CRON, SERVICE, TIMER, BadTime, Nightly, is_started_by, nightly

ABSENT: Final = 1
_AT: Final = "04:00"

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the whole program: console scripts of earlier installations start it by this name."""
    from pytest_sslaudit.cli.program import main as run_program  # noqa: PLC0415 - it imports this module

    return run_program(arguments)


def add_timer(commands: argparse._SubParsersAction[Parser], machine: Machine) -> None:
    """Add the three commands of the timer of a machine."""
    installing = commands.add_parser("install-timer", allow_abbrev=False, help="run checkallsslcerts every night")
    kind = installing.add_mutually_exclusive_group()
    kind.add_argument("--cron", action="store_true", help=f"by {CRON} (default if systemd does not run)")
    kind.add_argument("--systemd", action="store_true", help=f"by {TIMER} (default if systemd runs)")
    installing.add_argument("--at", metavar="HH:MM", default=_AT, help=f"it begins within the hour after ({_AT})")
    installing.add_argument("--config", metavar="FILE", help="the configuration file of checkallsslcerts")
    installing.add_argument("--dry-run", action="store_true", help="print what would be written, and write nothing")
    removing = commands.add_parser("remove-timer", allow_abbrev=False, help="remove the timer and its files")
    showing = commands.add_parser(
        "timer-status", allow_abbrev=False, help="print whether it runs every night (exit status 0 or 1)"
    )
    installing.set_defaults(run=_guarded(lambda options: _print(_install(options, machine))))
    removing.set_defaults(run=_guarded(lambda _: _print(_removed(machine))))
    showing.set_defaults(run=_guarded(lambda _: _status(machine)))


def _guarded(command: Command) -> Command:
    """Return a command whose expected failures are one line and exit status 4."""

    def run(options: argparse.Namespace) -> int:
        try:
            return command(options)
        except (BadConfiguration, BadTime, Refused) as error:
            return _refuse(options.command, str(error))
        except PermissionError as error:
            return _refuse(options.command, f"{error.filename}: {error.strerror}: only root can do that")
        except OSError as error:
            return _refuse(options.command, f"{error.filename}: {error.strerror}")

    return run


def _install(options: argparse.Namespace, machine: Machine) -> Iterator[str]:
    config = find_configuration(options.config) if options.config else None
    configured = ("--config", str(config)) if config else ()
    run = nightly((*own_command("checkallsslcerts"), "--allow-retry", *configured), options.at)
    is_systemd = options.systemd or (machine.runs_systemd and not options.cron)
    texts = _texts(run, machine, is_systemd=is_systemd)
    if options.dry_run:
        yield from (f"{path}:\n{text}" for path, text in texts.items())
        return
    yield from machine.install(texts)
    yield f"checkallsslcerts runs {run.schedule(None if is_systemd else machine.id)}; its log: /var/log/sslaudit"


def _texts(run: Nightly, machine: Machine, *, is_systemd: bool) -> dict[str, str]:
    if is_systemd:
        return {SERVICE: run.service(), TIMER: run.timer()}
    return {CRON: run.cron(machine.id)}


def _removed(machine: Machine) -> Iterator[str]:
    yield from machine.remove() or ("no timer of sslaudit is installed",)
    yield from (f"{path}: kept, because sslaudit did not write it" for path in machine.foreign_files())


def _status(machine: Machine) -> int:
    """Print what is installed; return 0 if it runs this program every night."""
    installed = machine.installed()
    for path in installed:
        sys.stdout.write(f"{path}: {_when(machine.place(path))}\n")
    for path in machine.foreign_files():
        sys.stdout.write(f"{path}: not written by sslaudit\n")
    command = own_command("checkallsslcerts")
    is_scheduled = CRON in installed or {SERVICE, TIMER} <= set(installed)
    if not is_scheduled:
        sys.stdout.write("checkallsslcerts does not run every night: run `sslaudit install-timer`\n")
    named = [path for path in installed if path != TIMER]
    others = [path for path in named if not is_started_by(machine.place(path).read_text(encoding="utf-8"), command)]
    for path in others:
        sys.stdout.write(
            f"{path} runs another program than {shlex.join(command)}: run `sslaudit install-timer` to replace it\n"
        )
    return 0 if is_scheduled and not others else ABSENT


def _when(file: Path) -> str:
    """Return the line of a file that has the command or the time."""
    begins = ("ExecStart=", "OnCalendar=")
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith(begins) or " root " in line), "unreadable")


def _print(lines: Iterator[str]) -> int:
    for line in lines:
        sys.stdout.write(f"{line.rstrip(os.linesep)}\n")
    return 0


def _refuse(command: str, line: str) -> int:
    sys.stderr.write(f"sslaudit {command}: {line}\n")
    return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
