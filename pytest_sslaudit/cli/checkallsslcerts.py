"""`checkallsslcerts`: audits, repairs and reports all certificates of the server it runs on, in one session of pytest.

It knows how a session is started and ended on a server; what is judged and repaired is not known here.

Its exit status is pytest's: 0 all is well, 1 something is not, 2 interrupted, 3 a bug of ours, 4 it cannot be used as
asked, 5 nothing to audit; and 75, as sysexits.h has it for what is to be tried later: somebody else is at work.
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
from pytest_sslaudit.cli.console import Console, write_line
from pytest_sslaudit.cli.cpanel_run import WAIT_S, PanelRun, wait_for_panel
from pytest_sslaudit.cli.local_server import find_configuration, own_command, report_folder
from pytest_sslaudit.cli.narrator import Narrator
from remediate.state.lock import LockHeld, locked

INTERRUPTED: Final = 2
TRY_LATER: Final = 75
_PLUGINS: Final = ("sslaudit", "metadata", "html", "html_fixtures", "pytest11.testinfra")
"""What a session needs; whatever else is installed beside it takes no part."""


def main(arguments: Sequence[str] | None = None, *, wait_s: float = WAIT_S) -> int:
    """Do what is asked and return the exit status; the panel's own run is waited for as long as `wait_s`."""
    options = _parser().parse_args(arguments)
    try:
        return _checked(options, wait_s)
    except (BadConfiguration, OSError) as error:
        return _refuse(str(error), USAGE_ERROR)
    except LockHeld as held:
        return _refuse(f"nothing was done: {held}", TRY_LATER)
    except KeyboardInterrupt:
        return _refuse("interrupted; the next run goes on where this one ended", INTERRUPTED)


def _parser() -> Parser:
    about = (
        "Audit all TLS certificates of this server, replace what is self-signed, revoked, weak, invalid or about to "
        "expire, prove the outcome on the wire, and mail the server's contact where that is called for."
    )
    statuses = (
        "exit status: 0 all is well, 1 something is not, 2 interrupted, 3 a bug of ours, 4 usage, 5 nothing to audit, "
        f"{TRY_LATER} somebody else is at work and nothing was done"
    )
    parser = Parser("checkallsslcerts", description=about, epilog=statuses, allow_abbrev=False)
    parser.add_argument("--verbose", action="store_true", help="say what is attempted, step by step, and why not")
    retry = parser.add_mutually_exclusive_group()
    retry.add_argument(
        "--allow-retry", action="store_true", help="where the issuer is still working, ask it again in an hour (atd)"
    )
    retry.add_argument("--no-retry", action="store_true", help="never queue that")
    parser.add_argument("--config", metavar="FILE", help="default: /etc/sslaudit/sslaudit.toml or /etc/sslaudit.toml")
    parser.add_argument("--version", action="version", version=f"checkallsslcerts {version('pytest-sslaudit')}")
    return parser


def _checked(options: argparse.Namespace, wait_s: float) -> int:
    """Run the session while nobody else is at work."""
    configuration, folder = find_configuration(options.config), report_folder()
    with ExitStack() as stack:
        stack.enter_context(locked(folder, "checkallsslcerts", datetime.now(UTC)))
        busy = wait_for_panel(lambda run: _say_waiting(run, wait_s), wait_s)
        if busy:
            return _refuse(f"nothing was done: {busy} is still running; the next run looks again", TRY_LATER)
        log = stack.enter_context((folder / "checkallsslcerts.log").open("w", encoding="utf-8"))
        spoken = Narrator(Console(sys.stdout, log, options.verbose), again(configuration), folder)
        return _session(_arguments(options, configuration, folder), spoken)


def _session(arguments: Sequence[str], spoken: Narrator) -> int:
    """Run pytest in this process, where signals and the exit status are its own; no page of it is printed."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ.pop("PYTEST_PLUGINS", None)
    return int(pytest.main([*arguments], plugins=[spoken]))


def _arguments(options: argparse.Namespace, configuration: Path | None, folder: Path) -> tuple[str, ...]:
    plugins = (word for name in _PLUGINS for word in ("-p", name))
    apart = ("-c", os.devnull, f"--rootdir={folder}", "--noconftest", "-p", "no:cacheprovider")
    silent = ("-p", "no:terminalreporter")
    reports = (f"--html={folder / 'report.html'}", "--self-contained-html")
    configured = (f"--audit-config={configuration}",) if configuration else ()
    retry = ("--allow-retry",) if options.allow_retry else ("--no-retry",) if options.no_retry else ()
    asked = ("--pyargs", "audit", "--hosts=local://", "--remediate")
    return (*plugins, *apart, *silent, *asked, *reports, *configured, *retry)


def again(configuration: Path | None) -> tuple[str, ...]:
    """Return what continues this run in an hour: a job has none of our environment, and needs the same state."""
    state = os.environ.get("XDG_STATE_HOME")
    elsewhere = ("env", f"XDG_STATE_HOME={state}") if state else ()
    configured = ("--config", str(configuration)) if configuration else ()
    return (*elsewhere, *own_command("checkallsslcerts"), "--no-retry", *configured)


def _say_waiting(run: PanelRun, wait_s: float) -> None:
    write_line(sys.stdout, f"{run} is running: waiting up to {wait_s / 60:.0f} min for its end")


def _refuse(line: str, status: int) -> int:
    sys.stderr.write(f"checkallsslcerts: {line}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
