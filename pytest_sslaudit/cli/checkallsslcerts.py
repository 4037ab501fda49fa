"""`checkallsslcerts`: audits, repairs and reports all certificates of the server it runs on, in one session of pytest.

Its exit status is that of pytest: 0 passed, 1 failed, 2 interrupted, 3 a bug, 4 usage error, 5 nothing to audit; and 75
(EX_TEMPFAIL of sysexits.h): another run is in progress.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from audit.config import BadConfiguration
from audit.config.arguments import USAGE_ERROR, Parser
from pytest_sslaudit.cli.cpanel_run import WAIT_S, PanelRun, wait_for_panel
from pytest_sslaudit.cli.local_server import find_configuration, own_command, report_folder
from pytest_sslaudit.cli.narrator import Console, Narrator, write_line
from remediate.state.database import BrokenState
from remediate.state.lock import LockHeld, locked

INTERRUPTED: Final = 2
TRY_LATER: Final = 75
_PLUGINS: Final = ("sslaudit", "metadata", "html", "html_fixtures", "pytest11.testinfra")
"""The plugins of the session; no other installed plugin is loaded."""


def main(arguments: Sequence[str] | None = None, *, wait_s: float = WAIT_S) -> int:
    """Audit and repair; return the exit status. Wait at most `wait_s` for a run of the panel."""
    options = _parser().parse_args(arguments)
    try:
        return _checked(options, wait_s)
    except (BadConfiguration, BrokenState, OSError) as error:
        return _refuse(str(error), USAGE_ERROR)
    except LockHeld as held:
        return _refuse(f"nothing was done: {held}", TRY_LATER)
    except KeyboardInterrupt:
        return _refuse("interrupted; the next run continues where this one ended", INTERRUPTED)


def _parser() -> Parser:
    about = (
        "Audit all TLS certificates of this server, replace what is self-signed, revoked, weak, invalid or about to "
        "expire, verify what is served, and mail the contact of the server if there is something to report."
    )
    statuses = (
        "exit status: 0 passed, 1 failed, 2 interrupted, 3 a bug, 4 usage, 5 nothing to audit, "
        f"{TRY_LATER} another run is in progress; nothing was done"
    )
    parser = Parser("checkallsslcerts", description=about, epilog=statuses, allow_abbrev=False)
    parser.add_argument(
        "--verbose", action="store_true", help="print each step that is attempted, and why others are not"
    )
    retry = parser.add_mutually_exclusive_group()
    retry.add_argument(
        "--allow-retry",
        action="store_true",
        help="if the issuer is still working, queue one continuation in an hour (atd)",
    )
    retry.add_argument("--no-retry", action="store_true", help="never queue a continuation")
    parser.add_argument("--config", metavar="FILE", help="default: /etc/sslaudit/sslaudit.toml or /etc/sslaudit.toml")
    parser.add_argument("--version", action="version", version=f"checkallsslcerts {version('pytest-sslaudit')}")
    return parser


def _checked(options: argparse.Namespace, wait_s: float) -> int:
    """Run the session with the lock held, after a run of the panel has ended."""
    configuration, folder = find_configuration(options.config), report_folder()
    with ExitStack() as stack:
        stack.enter_context(locked(folder, "checkallsslcerts", datetime.now(UTC)))
        busy = wait_for_panel(lambda run: _print_waiting(run, wait_s), wait_s)
        if busy:
            return _refuse(f"nothing was done: {busy} is still running; the next run tries again", TRY_LATER)
        log = stack.enter_context((folder / "checkallsslcerts.log").open("w", encoding="utf-8"))
        narrator = Narrator(Console(sys.stdout, log, options.verbose), again(configuration), folder)
        return _session(_arguments(options, configuration, folder), narrator)


def _session(arguments: Sequence[str], narrator: Narrator) -> int:
    """Run pytest in this process, which keeps its signals and exit status; its terminal output is disabled."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ.pop("PYTEST_PLUGINS", None)
    return int(pytest.main([*arguments], plugins=[narrator]))


def _arguments(options: argparse.Namespace, configuration: Path | None, folder: Path) -> tuple[str, ...]:
    plugins = (word for name in _PLUGINS for word in ("-p", name))
    isolated = ("-c", os.devnull, f"--rootdir={folder}", "--noconftest", "-p", "no:cacheprovider")
    silent = ("-p", "no:terminalreporter")
    reports = (f"--html={folder / 'report.html'}",)
    configured = (f"--audit-config={configuration}",) if configuration else ()
    retry = ("--allow-retry",) if options.allow_retry else ("--no-retry",) if options.no_retry else ()
    selection = ("--pyargs", "audit", "--hosts=local://", "--audit-depth=certificate", "--remediate")
    return (*plugins, *isolated, *silent, *selection, *reports, *configured, *retry)


def again(configuration: Path | None) -> tuple[str, ...]:
    """Return the command that continues this run in an hour, with the state of this run in its environment."""
    state = os.environ.get("XDG_STATE_HOME")
    elsewhere = ("env", f"XDG_STATE_HOME={state}") if state else ()
    configured = ("--config", str(configuration)) if configuration else ()
    return (*elsewhere, *own_command("checkallsslcerts"), "--no-retry", *configured)


def _print_waiting(run: PanelRun, wait_s: float) -> None:
    write_line(sys.stdout, f"{run} is running: waiting up to {wait_s / 60:.0f} min for its end")


def _refuse(line: str, status: int) -> int:
    sys.stderr.write(f"checkallsslcerts: {line}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
