"""The program `python -m remediate`, also called `sslaudit repair`: its arguments and exit status.

The commands are in commands.py.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from audit.config import (
    BadConfiguration,
    Configuration,
    login_limits,
    profile_named,
    read_anchors,
    read_configuration,
    state_folder,
    trusted,
)
from audit.config.arguments import USAGE_ERROR, Parser
from audit.config.extensions import used_extensions
from audit.host.login import Connections
from audit.policy import BadProfile
from audit.probe import Limits
from audit.probe.deadline import set_in_handler
from remediate.cli.commands import CliResult, apply, make_plan, read_plan, release, resume, roll_back, status
from remediate.cli.rediscovery import Access
from remediate.model.audit_results import BadAuditResults
from remediate.model.options import EarlyTries, RunOptions
from remediate.run import validate_configuration
from remediate.state.database import UnusableState
from remediate.state.lock import LockHeld
from remediate.wiring.sections import require_valid_sections, resolution_of, run_limits

FAILED: Final = 1  # the exit statuses are pytest's
INTERRUPTED: Final = 2
_ACCESS_WITH_VALUE: Final = (
    "connection", "ssh_config", "ssh_identity_file", "ssh_extra_args", "sudo_user", "ansible_inventory",
)  # fmt: skip
_ACCESS_FLAGS: Final = ("sudo", "force_ansible")
"""The options of testinfra, which an audit has too."""


def main(argv: Sequence[str] | None = None, program: str = "python -m remediate") -> int:
    """Run one command and return its exit status; `program` is its name in messages."""
    arguments = parser(program).parse_args(argv)
    try:
        result = _run_command(arguments)
    except (
        BadConfiguration,
        BadAuditResults,
        BadProfile,
        UnusableState,
        LockHeld,
        OSError,
        UnicodeDecodeError,
    ) as error:
        sys.stderr.write(f"{program} {arguments.command}: {error}\n")
        return USAGE_ERROR
    except KeyboardInterrupt:
        sys.stderr.write(f"{program} {arguments.command}: interrupted; the next run resumes the unfinished repairs\n")
        return INTERRUPTED
    sys.stdout.writelines(f"{line}\n" for line in result.lines)
    return 0 if result.is_well else FAILED


def parser(program: str) -> Parser:
    """Return the parser of all commands; `program` is its name in messages."""
    about = "Plan repairs from the results of an audit, run them, list them and roll them back."
    top = Parser(prog=program, description=about)
    commands = top.add_subparsers(dest="command", required=True)
    planning = commands.add_parser(
        "plan", help="print the repairs that the results of an audit require; change nothing"
    )
    planning.add_argument("results", type=Path, help="the file that --audit-results wrote")
    planning.add_argument("--json", action="store_true", help="print one JSON object, as `apply` reads it")
    applying = commands.add_parser("apply", help="make the repairs of a plan, and resume unfinished repairs")
    applying.add_argument(
        "plan", nargs="?", default="-", help="what `plan RESULTS --json` printed; - is standard input"
    )
    resuming = commands.add_parser("resume", help="resume the unfinished repairs")
    resuming.add_argument(
        "case", nargs="?", help="only with --now: the case to try, as `status` and the reports name it"
    )
    resuming.add_argument(
        "--now", action="store_true", help="do not wait after a failure; a Retry-After of the issuer still counts"
    )
    listing = commands.add_parser("status", help="print the repairs that are unfinished or wait; change nothing")
    rolling = commands.add_parser("rollback", help="restore the files that were installed before a repair")
    rolling.add_argument("case", help="the case's id, as `status` and the reports name it")
    releasing = commands.add_parser("release", help="replace links of earlier versions by regular files")
    releasing.add_argument("case", nargs="?", help="the case's id, as `status` and the reports name it")
    releasing.add_argument("--all", action="store_true", help="every case on every host")
    for command in (planning, applying, resuming, listing, rolling, releasing):
        command.add_argument("--config", metavar="FILE", help="the configuration file")
        command.add_argument("--issuer", metavar="NAME", help="the issuer for orders: [issuer.NAME]")
    for command in (applying, resuming, listing, rolling, releasing):
        command.add_argument("--state", metavar="DIR", type=Path, help="the state directory")
    for command in (applying, resuming, rolling, releasing):
        _add_run(command)
    for command in (planning, applying, resuming, listing, rolling, releasing):
        _add_access(command)
    return top


def _add_access(command: argparse.ArgumentParser) -> None:
    """Add the options of an audit that say which hosts to log in to, and how; `plan` and `status` log in to none."""
    add = command.add_argument
    add("--hosts", help="hosts as for pytest, separated by commas")
    for name in _ACCESS_WITH_VALUE:
        add(f"--{name.replace('_', '-')}", metavar="VALUE", help="as for pytest")
    for name in _ACCESS_FLAGS:
        add(f"--{name.replace('_', '-')}", action="store_true", help="as for pytest")


def _add_run(command: argparse.ArgumentParser) -> None:
    """Add the options of commands that change something."""
    add = command.add_argument
    add("--trust", metavar="SOURCE", action="append", help="trust anchors: mozilla (default), system, or a PEM file")
    add("--allow-retry", action="store_true", help="if the issuer is still working, queue one continuation (atd)")
    add("--no-retry", action="store_true", help="never queue a continuation")
    add("--verbose", "-v", action="store_true", help="print each step")


def _run_command(arguments: argparse.Namespace) -> CliResult:
    configuration = read_configuration(Path.cwd(), arguments.config)
    require_valid_sections(configuration)
    for extension in used_extensions(configuration):
        sys.stderr.write(f"extension: {extension}\n")  # standard output may be a plan in JSON
    now = datetime.now(UTC)
    if arguments.command == "plan":
        options = RunOptions(
            configuration, Path(), read_anchors(()), "plan", _limits(configuration), issuer=arguments.issuer
        )
        limits = run_limits(options)
        return make_plan(arguments.results, limits, resolution_of(options), now, as_json=arguments.json)
    state = arguments.state or _state(configuration)
    if arguments.command == "status":
        return status(state, now)
    options = _run_options(arguments, configuration, state)
    validate_configuration(options)
    with closing(Connections(login_limits(configuration))) as connections:
        return _run_on_hosts(arguments, options, replace(access_of(arguments), connections=connections))


def _run_on_hosts(arguments: argparse.Namespace, options: RunOptions, access: Access) -> CliResult:
    if arguments.command == "resume":
        if arguments.case and not arguments.now:
            raise BadAuditResults("resume takes a case only with --now")
        return resume(replace(options, early=EarlyTries(arguments.now and not arguments.case, arguments.case)), access)
    if arguments.command == "release":
        if bool(arguments.case) == arguments.all:
            raise BadAuditResults("release takes either a case or --all")
        return release(arguments.case, options, access)
    if arguments.command == "rollback":
        return roll_back(arguments.case, options, access)
    text = sys.stdin.read() if arguments.plan == "-" else Path(arguments.plan).read_text(encoding="utf-8")
    return apply(read_plan(text, arguments.plan), options, access)


def _state(configuration: Configuration) -> Path:
    return configuration.path(configuration.state) if configuration.state else state_folder()


def _run_options(arguments: argparse.Namespace, configuration: Configuration, state: Path) -> RunOptions:
    stop = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        set_in_handler(stop)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)
    return RunOptions(
        configuration,
        state,
        anchors=read_anchors(arguments.trust or trusted(configuration)),
        command=shlex.join(["remediate", arguments.command]),
        limits=_limits(configuration),
        issuer=arguments.issuer,
        profiles=tuple(profile_named(name, configuration) for name in configuration.policy),
        log=_log if arguments.verbose else lambda _: None,
        announce=_log,
        stop=stop,
    )


def _limits(configuration: Configuration) -> Limits:
    probe, default = configuration.probe, Limits()
    return Limits(
        timeout_s=probe.timeout_s or default.timeout_s,
        concurrency=probe.concurrency or default.concurrency,
        per_address=probe.per_address or default.per_address,
        resolver=probe.resolver,
    )


def _log(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def access_of(arguments: argparse.Namespace) -> Access:
    """Return how the arguments log in to hosts; an inventory without hosts means all of its hosts."""
    every_host = "ansible://all" if arguments.ansible_inventory else ""
    given = every_host if arguments.hosts is None else arguments.hosts
    hosts = tuple(host.strip() for host in given.split(",") if host.strip())
    return Access(hosts, {name: getattr(arguments, name) for name in (*_ACCESS_WITH_VALUE, *_ACCESS_FLAGS)})
